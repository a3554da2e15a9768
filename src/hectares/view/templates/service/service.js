// Starts the page, and asks again from time to time: often while something is made, seldom otherwise.
"use strict";
(function (hectares) {
  const { choosing, listing, asking } = hectares, BUSY_MS = 1000, IDLE_MS = 5000, SCENES_EVERY = 5;
  let round = 0;

  async function look() {
    if (!document.hidden) {
      try {
        await listing.refresh();
        if (round % SCENES_EVERY === 0) {
          const status = await asking.get("api/status");
          if (status.version !== document.body.dataset.version) asking.say("The service is another version now: load this page again.");
          choosing.state.status = status;
          listing.tellRoom(status);
          await Promise.all([choosing.refresh(), choosing.refreshSegmenters()]);
        }
        round += 1;
      } catch (error) {
        if (!(error instanceof asking.Fault)) throw error;
      } finally {
        document.body.dataset.ready = "yes";
      }
    }
    setTimeout(look, listing.isBusy() ? BUSY_MS : IDLE_MS);
  }

  choosing.start();
  look();
})(window.hectares);
