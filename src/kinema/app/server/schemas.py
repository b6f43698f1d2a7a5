"""What requests and answers look like. Videos follow the shape that video servers share; motions and scenes as well."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from kinema.app.server.store import Job

Seconds = Annotated[float, Field(gt=0, le=600)]
Moment = Annotated[float, Field(ge=0, le=600)]
Metres = Annotated[float, Field(ge=-1000, le=1000)]
Clothes = Literal["auto", "skirt", "trousers"]
Legs = Literal["auto", "move", "stay"]
PersonNumber = Annotated[int, Field(ge=0, le=999)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Prompt = Annotated[str, Field(max_length=2000)]
CameraText = Annotated[str, Field(max_length=1000)]
FileId = Annotated[str, Field(pattern=r"^file_[0-9a-f]{24}$")]
MOST_PICTURES = 8
"""People of pictures in one video (ours): as many as a scene may have."""
MotionId = Annotated[str, Field(pattern=r"^motion_[0-9a-f]{24}$")]
DriveId = Annotated[str, Field(pattern=r"^(file|motion)_[0-9a-f]{24}$")]
ClipId = Annotated[str, Field(min_length=1, max_length=300)]
SceneId = Annotated[str, Field(pattern=r"^scene_[0-9a-f]{24}$")]
Tracking = Literal["auto", "none", "pan", "follow"]


class Strict(BaseModel):
    """Unknown fields are errors: a misspelt option must not be ignored."""

    model_config = ConfigDict(extra="forbid")


class GuidanceScales(Strict):
    """Scales per signal; the model's own where left out."""

    text: Annotated[float, Field(ge=0, le=50)] | None = None
    pose: Annotated[float, Field(ge=0, le=50)] | None = None
    camera: Annotated[float, Field(ge=0, le=50)] | None = None


Item = TypeVar("Item")
ForEach = Annotated[list[Item], Field(min_length=1, max_length=MOST_PICTURES)]
"""One for each person of a video."""


class VideoRequest(Strict):
    """A video: from a prompt alone, with a motion or a scene, or with a camera alone."""

    prompt: Prompt = Field("", description="What the person does, and what the camera does.")
    model: Annotated[str, Field(max_length=200)] | None = Field(
        None,
        description="The backbone by name. Where left out, unless the server has another default: rough, which moves a "
        "picture's own person, where there is a picture; else the embedded model. stage films the scene's actors, as "
        "the studio shows them.",
    )
    clothes: Clothes | ForEach[Clothes] = Field(
        "auto",
        description="Of a rough take: whether what hangs between the legs goes with both. A list is one for each person.",
    )
    legs: Legs | ForEach[Legs] = Field(
        "auto",
        description="Of a rough take: whether hips and legs go with the motion; auto looks at the picture.",
    )
    mask: FileId | ForEach[FileId | None] | None = Field(
        None,
        description="Of a rough take: who it is, in white, at the picture's size. A list is one for each person, null "
        "where they are to be found.",
    )
    marks: FileId | ForEach[FileId | None] | None = Field(
        None,
        description="Of a rough take: where the joints are, as `kinema animate --check` writes it. A list as of `mask`.",
    )
    picture_person: PersonNumber | ForEach[PersonNumber | None] | Literal["all"] | None = Field(
        None,
        description="Of a rough take: who of several in the picture, from the left; the largest where left out. A list "
        "moves several of one picture, or says it of each picture.",
    )
    seconds: Seconds | None = Field(None, description="Length; the motion's, or 4 s a part, where left out.")
    size: Annotated[str, Field(pattern=r"^\d{2,4}x\d{2,4}$")] | None = Field(
        None, description="WIDTHxHEIGHT."
    )
    seed: Seed = 0
    input_reference: FileId | ForEach[FileId | None] | None = Field(
        None,
        description="Picture of the character: an uploaded file, or a part of a multipart request. Of a rough take a "
        "list, or several parts: one for each person who moves, the first one's room is filmed; null is an actor of the "
        "stage.",
    )
    motion: DriveId | None = Field(
        None, description="What drives it: an uploaded motion file or video, or a finished motion."
    )
    scene: SceneId | None = Field(None, description="A finished scene: its people and its camera.")
    person: (
        PersonNumber | Annotated[list[PersonNumber], Field(max_length=100)] | Literal["all", "none"] | None
    ) = Field(
        None, description="Who of the scene is there; the first where left out, none for the camera alone."
    )
    actor: Seed | None = Field(None, description="An actor of the stage, where there is no picture.")
    camera: CameraText | None = Field(
        None, description="The camera in words; what the prompt or the scene says where left out."
    )
    tracking: Tracking = "auto"
    style: Annotated[str, Field(max_length=100)] | None = None
    negative_prompt: Prompt = ""
    control: Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=4)] | None = None
    centre: bool = Field(False, description="Moves the people to the middle of the first camera's view.")
    retarget: bool | None = Field(
        None,
        description="Fits the motion to the person in the picture; where left out: if somebody is found in it.",
    )
    steady: bool | None = Field(
        None, description="Takes the trembling out of the motion; where left out: of videos alone."
    )
    steps: Annotated[int, Field(ge=1, le=200)] | None = None
    shift: Annotated[float, Field(ge=0.01, le=100)] | None = None
    guidance: GuidanceScales = GuidanceScales()
    scale: Annotated[int, Field(ge=1, le=8)] = Field(
        1, description="Enlarges a model's pictures for viewing."
    )

    @field_validator("size")
    @classmethod
    def _sides(cls, value: str | None) -> str | None:
        if value is not None and not all(16 <= int(side) <= 4096 for side in value.split("x")):
            raise ValueError("sides lie between 16 and 4096 pixels")
        return value

    @model_validator(mode="after")
    def _something_moves(self) -> VideoRequest:
        if self.motion is not None and self.scene is not None:
            raise ValueError("give a motion or a scene, not both")
        if self.motion is None and self.scene is None and self.camera is None and not self.prompt.strip():
            raise ValueError("say what the person does in a prompt, or give a motion, a scene or a camera")
        return self

    @model_validator(mode="after")
    def _one_for_each(self) -> VideoRequest:
        """What is said of several people is said of each of them."""
        if isinstance(self.input_reference, list) and len(self.input_reference) == 1:
            self.input_reference = self.input_reference[0]
        pictures = self.pictures
        if isinstance(self.input_reference, list):
            if not any(pictures):
                raise ValueError("input_reference: at least one is a picture; leave it out for actors alone")
            if self.moves_by_prompt:
                raise ValueError(
                    "input_reference: a prompt moves one person; give a motion or a scene of several"
                )
        shown = len(pictures)
        if shown == 1 and isinstance(self.picture_person, list):
            shown = len(self.picture_person)
            if any(number is None for number in self.picture_person):
                raise ValueError("picture_person: of one picture say who each of them is")
        elif shown > 1 and self.picture_person is not None and not isinstance(self.picture_person, list):
            raise ValueError(f"picture_person: give one for each of the {shown} pictures, or null")
        open_ended = shown == 1 and (self.picture_person == "all" or isinstance(self.mask, list))
        for name in ("picture_person", "mask", "marks", "clothes", "legs"):
            said = getattr(self, name)
            if isinstance(said, list) and not open_ended and len(said) != shown:
                raise ValueError(f"{name}: {len(said)} for {shown} people; give one for each")
        if shown > 1 and isinstance(self.person, list) and len(self.person) not in (1, shown):
            raise ValueError(f"person: {len(self.person)} of the scene cannot move {shown} people")
        return self

    @property
    def pictures(self) -> list[str | None]:
        """Its pictures, None for an actor of the stage."""
        given = self.input_reference
        return given if isinstance(given, list) else [] if given is None else [given]

    @property
    def moves_by_prompt(self) -> bool:
        """Whether the motion is made from the prompt."""
        driven = self.motion is not None or self.scene is not None
        return not driven and self.person != "none" and bool(self.prompt.strip())


class PromptBlock(Strict):
    """A prompt and when it holds; parts of the body as in docs/prompts.md."""

    text: Annotated[str, Field(min_length=1, max_length=400)]
    start: Moment
    end: Moment
    parts: Annotated[list[str], Field(min_length=1, max_length=10)] = ["whole_body"]


class Waypoint(Strict):
    """Where the pelvis is over the floor at a moment, and whither the person faces (degrees about +Y)."""

    time: Moment
    x: Metres
    z: Metres
    heading: Annotated[float, Field(ge=-3600, le=3600)] | None = None


class Target(Strict):
    """Where a joint is at a moment, in the world of the motion."""

    joint: Annotated[str, Field(max_length=40)]
    time: Moment
    position: tuple[Metres, Metres, Metres]


class Pose(Strict):
    """A whole body at a moment: SMPL-24 joints in the world of the motion, metres."""

    time: Moment
    joints: Annotated[list[tuple[Metres, Metres, Metres]], Field(min_length=24, max_length=24)]


class MotionRequest(Strict):
    """A motion: from a prompt, a timeline of prompts, an uploaded file or the library; with what must hold."""

    prompt: Prompt = ""
    blocks: Annotated[list[PromptBlock], Field(max_length=64)] = []
    file: FileId | None = None
    clip: ClipId | None = Field(None, description="A clip of the motion library by its id.")
    mirrored: bool = Field(False, description="The clip with left and right swapped.")
    person: Annotated[int, Field(ge=0, le=999)] = 0
    seconds: Seconds | None = None
    seed: Seed = 0
    style: Annotated[str, Field(max_length=100)] | None = None
    path: Annotated[list[Waypoint], Field(max_length=64)] = []
    targets: Annotated[list[Target], Field(max_length=64)] = []
    poses: Annotated[list[Pose], Field(max_length=16)] = []

    @model_validator(mode="after")
    def _one_source(self) -> MotionRequest:
        sources = [bool(self.prompt.strip()), bool(self.blocks), self.file is not None, self.clip is not None]
        if sum(sources) != 1:
            raise ValueError("give exactly one of prompt, blocks, file and clip")
        if any(sources[2:]) and (self.path or self.targets or self.poses):
            raise ValueError("a motion from a file or the library takes no path, targets or poses")
        if self.mirrored and self.clip is None:
            raise ValueError("only a clip of the library can be mirrored")
        if [point.time for point in self.path] != sorted({point.time for point in self.path}):
            raise ValueError("the times of the path must rise")
        return self


class Placing(Strict):
    """Where a motion stands in the scene: moved over the floor, then turned about its start (degrees about +Y)."""

    x: Metres = 0.0
    z: Metres = 0.0
    turn: Annotated[float, Field(ge=-3600, le=3600)] = 0.0
    delay: Moment = 0.0


class Person(Strict):
    """Somebody in a scene: what moves them, where, and who they are."""

    name: Annotated[str, Field(max_length=80)] = ""
    motion: MotionRequest | MotionId
    place: Placing = Placing()
    actor: Seed = 0


class CameraKey(Strict):
    """The camera at a moment: where it is and what it looks at, metres; vertical field of view, degrees."""

    time: Moment
    position: tuple[Metres, Metres, Metres]
    target: tuple[Metres, Metres, Metres]
    fov: Annotated[float, Field(ge=5, le=120)] = 40.0


class SceneCamera(Strict):
    """The camera of a scene: words, as a prompt may say them or in the camera language, or keyframes."""

    text: CameraText = "static"
    tracking: Tracking = "auto"
    person: Annotated[int, Field(ge=0, le=7)] | None = Field(
        None, description="Whom words frame and turn round; everybody where left out."
    )
    keys: Annotated[list[CameraKey], Field(max_length=64)] = []

    @model_validator(mode="after")
    def _rising(self) -> SceneCamera:
        if [key.time for key in self.keys] != sorted({key.time for key in self.keys}):
            raise ValueError("the times of the camera's keys must rise")
        return self


class SceneRequest(Strict):
    """A scene that can be edited: people, a camera, and what the editor wants to remember."""

    title: Annotated[str, Field(max_length=200)] = ""
    people: Annotated[list[Person], Field(max_length=8)]
    camera: SceneCamera = SceneCamera(person=None)
    size: Annotated[str, Field(pattern=r"^\d{2,4}x\d{2,4}$")] = "96x128"
    seconds: Seconds | None = Field(None, description="Length; the longest motion's where left out.")
    notes: dict[str, Any] = Field({}, description="Kept as it is, at most 64 kB.")

    @model_validator(mode="after")
    def _some_length(self) -> SceneRequest:
        if not self.people and self.seconds is None:
            raise ValueError("a scene without people needs its length: say seconds")
        return self

    @field_validator("notes")
    @classmethod
    def _few_notes(cls, value: dict[str, Any]) -> dict[str, Any]:
        if len(repr(value)) > 1 << 16:
            raise ValueError("the notes are longer than 64 kB")
        return value


class PassesRequest(Strict):
    """What a published video model reads of a scene or motion, as a zip of films and files with a README."""

    model: Annotated[str, Field(max_length=60)] = Field(
        description="A profile, as `kinema passes` lists them."
    )
    scene: SceneId | None = Field(None, description="A finished scene, with its camera.")
    motion: DriveId | None = Field(None, description="A finished motion, or an uploaded motion or video.")
    camera: CameraText | None = Field(None, description="In words; the scene's own where left out.")
    input_reference: FileId | None = Field(None, description="A picture of the character.")
    size: Annotated[str, Field(pattern=r"^\d{2,4}x\d{2,4}$")] | None = None
    seconds: Seconds | None = None
    person: list[PersonNumber] | Literal["all"] | None = Field(None, description="Who is there, from 0.")
    parts: list[Literal["body", "hands", "face", "toes"]] | None = None
    replace: bool = Field(False, description="Put the character into the uploaded video.")
    options: dict[Annotated[str, Field(max_length=40)], Annotated[str, Field(max_length=40)]] = Field(
        {}, description="What the profile alone understands."
    )
    films: Literal["mp4", "lossless", "png"] = "mp4"
    actor: Seed = 0

    @model_validator(mode="after")
    def _of_something(self) -> PassesRequest:
        if (self.scene is None) == (self.motion is None):
            raise ValueError("passes are made of a scene or of a motion: give one of the two")
        return self


class Failure(BaseModel):
    """What went wrong with a job."""

    code: str
    message: str


class JobAnswer(BaseModel):
    """A job as clients see it."""

    id: str
    object: Literal["video", "motion", "scene", "pass"]
    status: Literal["queued", "in_progress", "completed", "failed"]
    progress: int = Field(ge=0, le=100)
    stage: str
    queue_position: int | None = Field(description="Jobs before it, while it is queued.")
    created_at: int
    started_at: int | None
    completed_at: int | None
    revision: int
    model: str | None = None
    prompt: str | None = None
    seconds: str | None = None
    size: str | None = None
    error: Failure | None
    files: dict[str, int] = Field(description="Variants of the content and their sizes in bytes.")
    request: dict[str, Any]
    details: dict[str, Any] = Field(description="Of the result: frames, rate, notes, settings.")


class JobPage(BaseModel):
    """A page of jobs."""

    object: Literal["list"] = "list"
    data: list[JobAnswer]
    first_id: str | None
    last_id: str | None
    has_more: bool


class Deleted(BaseModel):
    """What was deleted."""

    id: str
    object: str
    deleted: bool


class FileAnswer(BaseModel):
    """An uploaded file."""

    id: str
    object: Literal["file"] = "file"
    kind: Literal["picture", "motion", "video"]
    filename: str
    bytes: int
    created_at: int


class LibraryClip(BaseModel):
    """A clip of the motion library, and how well it fits (1: the same text)."""

    id: str
    caption: str
    seconds: float
    licence: str
    mirrored: bool = Field(description="Fits when left and right are swapped.")
    score: float | None


class LibraryPage(BaseModel):
    """A page of clips; `note` says what to do where there is no library."""

    object: Literal["list"] = "list"
    data: list[LibraryClip]
    has_more: bool
    note: str | None = None


class ErrorBody(BaseModel):
    """What is wrong, and with which field."""

    message: str
    type: str
    param: str | None = None
    code: str


class ErrorAnswer(BaseModel):
    """Every answer that is not a success."""

    error: ErrorBody


def job_answer(job: Job, ahead: int | None) -> JobAnswer:
    """A job as clients see it; `ahead` is the number of jobs before it in the queue."""
    result = job.result or {}
    made = result.get("details", {})
    asked = job.request.get("seconds")
    seconds = made.get("seconds", asked)
    return JobAnswer(
        id=job.id,
        object=job.kind,
        status=job.state,
        progress=job.progress,
        stage=job.stage,
        queue_position=ahead if job.state == "queued" else None,
        created_at=int(job.created),
        started_at=None if job.started is None else int(job.started),
        completed_at=None if job.ended is None else int(job.ended),
        revision=job.revision,
        model=job.request.get("model") if job.kind == "video" else None,
        prompt=job.request.get("prompt"),
        seconds=None if seconds is None else f"{seconds:g}",
        size=made.get("size", job.request.get("size")),
        error=None if job.error is None else Failure(**job.error),
        files=result.get("files", {}),
        request=job.request,
        details=made,
    )
