"""What the service answers and takes, as JSON: the schema that `/api/openapi.json` tells."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Answer(BaseModel):
    """A record of an answer."""

    model_config = ConfigDict(frozen=True)


class Fault(Answer):
    """What went wrong."""

    message: str = Field(description="One sentence: what was found, and the way out.")


class LandClassAnswer(Answer):
    """A class of a legend."""

    name: str
    color: str = Field(description="As #rrggbb.")


class ClassArea(LandClassAnswer):
    """The mapped area of a class."""

    area_ha: float | None = Field(description="Hectares on the ellipsoid; null if the scene has no place.")
    share: float | None = Field(description="Of what is mapped, 0 to 1.")


class SceneAnswer(Answer):
    """A raster that can be mapped."""

    id: str
    name: str = Field(description="Path below the folder of the service, for people.")
    width: int
    height: int
    bands: list[str]
    gsd_m: float | None = Field(description="Meters per pixel; null if the file has no place.")
    place: str = Field(description="Where it lies and how large it is, in words.")
    bytes: int
    sent: bool = Field(description="True if it was sent, and so can be deleted.")


class RefusedFile(Answer):
    """A file that looks like a scene and is none."""

    name: str
    message: str


class SceneList(Answer):
    """The scenes of the folder."""

    scenes: list[SceneAnswer]
    refused: list[RefusedFile]
    is_cut: bool = Field(description="True if the folder holds more than are listed.")


class SegmenterAnswer(Answer):
    """What a map can be made with."""

    id: str
    name: str
    summary: str
    bands: list[str]
    gsd_m: float | None = Field(description="Meters per pixel it was trained for; null: any.")
    classes: list[LandClassAnswer]
    license: str | None


class JobRequest(BaseModel):
    """What to map with what."""

    model_config = ConfigDict(extra="forbid", strict=True)

    scene: str = Field(max_length=64, description="Id of a scene.")
    segmenter: str = Field(max_length=64, description="Id of a segmenter.")
    gsd_m: float | None = Field(
        default=None, gt=0, le=1e5, description="Meters per pixel of a scene without a place; without it, no areas."
    )


class FileAnswer(Answer):
    """A file that can be downloaded."""

    name: str
    what: str
    bytes: int


class JobAnswer(Answer):
    """A map that is to be made, is being made, or is there."""

    id: str
    state: str = Field(description="queued, running, done, failed or stopped.")
    scene_id: str
    scene: str
    segmenter_id: str
    segmenter: str
    created: float = Field(description="Seconds since 1970.")
    place_in_queue: int | None
    step: str = Field(description="What is being done.")
    percent: float
    remaining_s: float | None = Field(description="Of the mapping, where it is known.")
    message: str = Field(description="Why it failed.")
    problems: list[str] = Field(description="What did not stop it.")
    has_map: bool
    areas: list[ClassArea]
    files: list[FileAnswer]


class JobList(Answer):
    """All jobs, the newest first."""

    jobs: list[JobAnswer]
    unreadable: list[str] = Field(description="Records that cannot be read.")


class Status(Answer):
    """The service itself."""

    version: str
    folder: str
    free_mb: float
    max_upload_mb: int
    suffixes: list[str]
