"""The page on which a person labels reference points without seeing what the map says: one file, no network."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from hectares.core.colors import hex_color
from hectares.core.legend import Legend
from hectares.view.render import Picture, encode_photo
from hectares.view.template import fill


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture of the surroundings of a point."""

    picture: Picture
    side_m: float
    outline: tuple[tuple[float, float], ...]
    """Corners of the pixel, (x, y) as shares of the picture."""

    def to_json(self) -> dict[str, object]:
        """Give it with the picture inside."""
        media, content = encode_photo(self.picture)
        return {
            "uri": f"data:{media};base64,{base64.b64encode(content).decode()}",
            "side_m": round(self.side_m, 3),
            "outline": [[round(x, 5), round(y, 5)] for x, y in self.outline],
        }


@dataclass(frozen=True, slots=True)
class Task:
    """A point to label. It holds nothing of the map but the place."""

    id: int
    lon: float
    lat: float
    near: Shot
    far: Shot


def render_label_page(title: str, token: str, legend: Legend, tasks: list[dict[str, object]], version: str) -> str:
    """Give the page as HTML; `token` tells apart what is kept in the browser for different samples."""
    classes = [{"code": c.code, "name": c.name, "color": hex_color(c.color)} for c in legend.classes]
    content = {"title": title, "token": token, "classes": classes, "points": tasks}
    return fill("label.html", title=title, content=content, version=version)


def task_record(task: Task) -> dict[str, object]:
    """Give a task as the page holds it: half the memory of its pictures."""
    return {"id": task.id, "lon": task.lon, "lat": task.lat, "near": task.near.to_json(), "far": task.far.to_json()}
