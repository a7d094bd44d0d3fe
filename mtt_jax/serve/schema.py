"""What clients send and get, as pydantic models, and the way from bytes to a checked request."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError

from mtt_jax.errors import did_you_mean
from mtt_jax.serve.settings import Settings
from mtt_jax.tasks import Task
from mtt_jax.untrusted.json_text import JsonError, parse_json

# Of what a client sent, in a message; a longer name is nobody's misspelling.
_SHOWN = 60

Score = Annotated[float, Field(ge=0, le=1)]


class RequestError(Exception):
    """A request that is refused.

    Attributes:
      status: of the answer.
      message: one line for the client.
      headers: of the answer.
    """

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None):
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or {}


class Strict(BaseModel):
    """A model without conversions, such as from "1" to 1, and without unknown fields."""

    model_config = ConfigDict(strict=True, extra="forbid")


class PredictRequest(Strict):
    """The body of POST /predict: `text` or `texts`, and options."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["text"]}, {"required": ["texts"]}],
            "examples": [{"text": "Tom works at Microsoft in Seattle."}],
        }
    )

    text: str = Field("", description="One text.")
    texts: Annotated[list[str], FailFast()] = Field([], description="Several texts.")
    model: str = Field("", description="Name of a model; GET /info lists them. Default: the first.")
    thresholds: dict[str, Score | None | dict[str, Score | None]] = Field(
        {},
        description="Task -> the score that its answers need, for all labels or by label, in place "
        "of those chosen on dev; null for a label that is never to be answered.",
    )
    embeddings: bool = Field(False, description="Return the sentence embedding of each text, too.")

    @property
    def all_texts(self) -> list[str]:
        """The texts, one or several."""
        return [self.text] if "text" in self.model_fields_set else self.texts


class ClassAnswer(Strict):
    """Answer of a task of kind classes."""

    label: str | None = Field(description="null if no label reaches its threshold.")
    score: float = Field(description="The highest of the scores.")
    scores: dict[str, float]


class LabelsAnswer(Strict):
    """Answer of a task of kind multilabel."""

    labels: list[str]
    scores: dict[str, float]


class SpanAnswer(Strict):
    """A span of the text, for tasks of kind entities and tags, whose answers are lists of these."""

    text: str
    label: str | None = Field(description="null if the word's label does not reach its threshold.")
    start: int = Field(description="In characters (Unicode code points), from 0.")
    end: int = Field(description="Exclusive.")
    score: float


class Result(BaseModel):
    """The text and each task's answer under the task's name; or `error` in place of all that.

    A text without words has null from tasks per sentence and [] from tasks per word.
    """

    __pydantic_extra__: dict[str, ClassAnswer | LabelsAnswer | list[SpanAnswer] | None | str]
    model_config = ConfigDict(extra="allow")


class PredictResponse(Strict):
    """Results in the order of the texts."""

    model: str = Field(description="Name of the model that answered.")
    results: list[Result]
    embeddings: list[list[float]] | None = Field(
        None, description="One for each text, if they were asked for; zeros without a word."
    )


class ErrorResponse(Strict):
    """What is wrong, in one line."""

    error: str
    request: str = Field(description="The X-Request-ID of the request, as in the server's log.")


class Status(Strict):
    """Whether the server runs, or is ready."""

    status: str


class TaskInfo(BaseModel):
    """A task as `mtt info` prints it."""

    model_config = ConfigDict(extra="allow")
    kind: str
    labels: list[str]


class ModelInfo(Strict):
    """A model that is served."""

    tasks: dict[str, TaskInfo]
    max_length: int = Field(description="Subwords read at once; longer texts are read in windows.")
    parameters: int = Field(description="0 for an exported graph.")
    scores: dict[str, dict[str, float]] = Field(
        description="Split -> task -> headline score, if the run's metrics.json is there."
    )
    card: str = Field(description="The model card, in Markdown.")


class Limits(Strict):
    """Beyond these a request is refused."""

    body_bytes: int
    texts: int
    characters: int
    queue: int
    seconds: float


class Info(Strict):
    """What is served."""

    version: str
    engine: str
    default: str = Field(description="The model that answers requests without `model`.")
    models: dict[str, ModelInfo]
    limits: Limits
    examples: list[str] = Field(description="Texts that the web page offers to try.")


def parsed(body: bytes) -> PredictRequest:
    """The request in a body.

    Raises:
      RequestError: 400 for what is not JSON in UTF-8, or repeats a key; 422 for other contents.
    """
    try:
        return PredictRequest.model_validate(_json(body))
    except ValidationError as error:
        raise RequestError(422, _explained(error)) from None


def checked(request: PredictRequest, settings: Settings) -> list[str]:
    """The texts of a request, which has one or several of them, within the limits.

    Raises:
      RequestError: 422, naming the text and the limit.
    """
    given = {"text", "texts"} & request.model_fields_set
    if len(given) != 1:
        found = "both" if given else "neither"
        raise RequestError(422, f'expected "text" or "texts"; found {found}.')
    texts = request.all_texts
    if len(texts) > settings.max_texts:
        raise RequestError(
            422, f"texts: {len(texts):,} texts; at most {settings.max_texts:,} per request."
        )
    for place, text in enumerate(texts):
        where = "text" if "text" in given else f"texts[{place}]"
        if len(text) > settings.max_characters:
            raise RequestError(
                422, f"{where}: {len(text):,} characters; at most {settings.max_characters:,}."
            )
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise RequestError(
                422,
                f"{where}: half of a surrogate pair at character {error.start}; the text was cut "
                "inside a character.",
            ) from None
    return texts


def with_thresholds(tasks: Sequence[Task], given: dict[str, Any]) -> tuple[Task, ...] | None:
    """The tasks with the thresholds of a request; None if it has none.

    Raises:
      RequestError: 422 for an unknown task or label, with the nearest known one.
    """
    if not given:
        return None
    _known("thresholds", given, [task.name for task in tasks])
    return tuple(_with(task, given[task.name]) if task.name in given else task for task in tasks)


def _with(task: Task, given: Any) -> Task:
    if not isinstance(given, dict):
        given = dict.fromkeys(task.answer_labels, given)
    _known(f"thresholds.{task.name}", given, task.answer_labels)
    needed = zip(task.answer_labels, task.needed().tolist(), strict=True)
    chosen = [given.get(label, before) for label, before in needed]
    return task.with_thresholds([float("inf") if value is None else value for value in chosen])


def _known(where: str, given: dict[str, Any], known: Sequence[str]) -> None:
    for name in given:
        if name not in known:
            message = f"{where}: {_quoted(name)} is not one of {', '.join(known)}."
            raise RequestError(422, message + nearest(name, known))


def nearest(name: str, known: Sequence[str]) -> str:
    """` Did you mean 'x'?` as `did_you_mean` says it; "" for what is too long to be compared."""
    return did_you_mean(name, known) if len(name) <= _SHOWN else ""


def _quoted(name: str) -> str:
    return repr(name if len(name) <= _SHOWN else name[:_SHOWN] + "...")


def _json(body: bytes) -> Any:
    """The value of a JSON text, as `parse_json` reads it."""
    try:
        return parse_json(body)
    except JsonError as error:
        raise RequestError(400, f"the body {error}.") from None


def _explained(error: ValidationError) -> str:
    """The first fault in one line, as `texts[3]: expected a string.`."""
    fault = error.errors(include_url=False, include_context=False)[0]
    path = list(fault["loc"])
    where = _path(path)
    if not path and fault["type"] == "string_unicode":
        return "a name in the body has half of a surrogate pair."
    if not path:
        return "expected a JSON object."
    if path[0] == "thresholds" and len(path) > 1:
        # The paths of a union name its members, which mean nothing to a client.
        return (
            f"{_path(path[:2])}: expected a number from 0 to 1, null, or an object with one for "
            "each label."
        )
    if fault["type"] == "extra_forbidden":
        fields = list(PredictRequest.model_fields)
        name = str(path[0])
        known = f"the fields are {', '.join(fields)}."
        return f"{_quoted(name)}: no such field; {known}{nearest(name, fields)}"
    return f"{where}: expected {_EXPECTED.get(fault['type'], 'another value')}."


_EXPECTED = {
    "string_type": "a string",
    "list_type": "a list of strings",
    "bool_type": "true or false",
    "dict_type": "an object",
    "string_unicode": "a string without halves of surrogate pairs",
}


def _path(path: Sequence[int | str]) -> str:
    shown = ""
    for part in path:
        shown += f"[{part}]" if isinstance(part, int) else f".{part[:_SHOWN]}"
    return shown.lstrip(".")
