"""What can go wrong, drawn once. Branches are shaped by what a caller would catch.

    GatewayError
    ├── SettingsError              a setting, option or credential is wrong: nothing was started
    ├── RulesError                 a rules folder has problems: it is not served
    ├── Rejected                   the sender is answered with a 4xx or 5xx
    │   ├── UnreadableRequest      400
    │   ├── AuthenticationFailed   401
    │   ├── UnknownSource          404
    │   ├── MethodNotAllowed       405
    │   ├── BodyTooSlow            408
    │   ├── BodyTooLarge           413
    │   ├── TooManyRequests        429
    │   ├── NotStored              503
    │   ├── NotVerifiable          503
    │   └── Overloaded             503
    ├── Unparseable                a verified body is not what it says: kept, answered 200
    ├── MappingError               a rule met a payload that it can't make a command of: kept, answered 200
    ├── FetchError                 one attempt at getting what a webhook points to failed
    │   ├── FetchRefused           permanent: a person has to mend something
    │   └── FetchUnavailable       try again
    ├── DeliveryError              one attempt at sending failed; its class is its outcome
    │   ├── Refused                permanent: Intilery said no to this command
    │   ├── Unauthorised           not the command's fault: the destination's token or address
    │   ├── Throttled              too fast: wait
    │   ├── Unavailable            Intilery's trouble: try again
    │   ├── NotSent                nothing was written: safe to repeat
    │   └── UnknownOutcome         written, no answer came: a repeat may reach the customer twice
    └── StoreError
        ├── StoreUnavailable       can't be written now: disk full, locked, closed, queue overfull
        ├── StoreInUse             another serving process has it
        ├── StoreMoved             it goes, or went, to another store
        ├── SchemaTooNew           written by a newer gateway
        ├── NotFound               no row with that id
        └── Conflict               the row is not in a state that allows this

Each message is for a person: where, what was found, what is allowed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from gateway.rules.problems import Problem


class GatewayError(Exception):
    """Something that the gateway itself has to say."""


class SettingsError(GatewayError):
    """A setting, an option or a credential is missing or wrong."""


class RulesError(GatewayError):
    """A rules folder has problems, so it is not served.

    ``problems`` holds every problem of every file, in the order of the files.
    """

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class Rejected(GatewayError):
    """The sender gets an error and nothing is accepted.

    ``status`` and ``title`` go into the ``application/problem+json`` answer (RFC 9457). The message is for the
    operator's log and may say more than a sender should know; ``detail`` is what the sender sees.
    """

    status: ClassVar[int] = 400
    title: ClassVar[str] = "Bad request"

    def __init__(self, message: str, *, detail: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.detail = message if detail is None else detail
        self.retry_after = retry_after
        """Seconds, for the ``Retry-After`` header."""


class UnreadableRequest(Rejected):
    """The request can't be read as HTTP carries it."""

    status = 400
    title = "Unreadable request"


class AuthenticationFailed(Rejected):
    """The request does not prove that it comes from the source. The sender never learns which part failed."""

    status = 401
    title = "Authentication failed"

    def __init__(self, message: str) -> None:
        super().__init__(message, detail="The request could not be authenticated.")


class UnknownSource(Rejected):
    """No rules file names this source."""

    status = 404
    title = "Unknown source"


class MethodNotAllowed(Rejected):
    """A hook takes POST, and what its challenge needs."""

    status = 405
    title = "Method not allowed"

    def __init__(self, message: str, *, allowed: tuple[str, ...] = ("POST",)) -> None:
        super().__init__(message)
        self.allowed = allowed
        """For the ``Allow`` header."""


class BodyTooSlow(Rejected):
    """The body did not arrive in time."""

    status = 408
    title = "Body too slow"


class BodyTooLarge(Rejected):
    """The body is over the source's limit."""

    status = 413
    title = "Body too large"


class TooManyRequests(Rejected):
    """The source is over its rate."""

    status = 429
    title = "Too many requests"


class NotStored(Rejected):
    """The webhook can't be stored now, so it is not acknowledged. The sender should try again."""

    status = 503
    title = "Not stored"


class NotVerifiable(Rejected):
    """What the proof is checked with (a key that its sender publishes) is not here yet. The sender should try again."""

    status = 503
    title = "Not verifiable"

    def __init__(self, message: str, *, retry_after: int = 10) -> None:
        super().__init__(message, detail="The request can't be verified now.", retry_after=retry_after)


class Overloaded(Rejected):
    """There is no room for this request now. The sender should try again in a moment."""

    status = 503
    title = "Too busy"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message, detail="Too many requests are under way.", retry_after=retry_after)


class Unparseable(GatewayError):
    """A body is not what its content type, or its source's rules file, says."""


class MappingError(GatewayError):
    """A rule matched, and the payload does not hold what its command needs.

    ``field`` is the command's field (``userId``), ``path`` the expression that was to give it.
    """

    def __init__(self, message: str, *, rule: str = "", field: str = "", path: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.rule = rule
        self.field = field
        self.path = path


class FetchError(GatewayError):
    """One attempt at getting what a webhook points to failed. The message holds no secret.

    ``status`` is the HTTP status where an answer came; ``retry_after`` is in seconds, where the answer gave it.
    """

    def __init__(self, message: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.retry_after = retry_after


class FetchRefused(FetchError):
    """The API says no, or its answer can't be used: asking again would change nothing."""


class FetchUnavailable(FetchError):
    """The API is in trouble or asks to wait, or a credential is not set."""


class DeliveryError(GatewayError):
    """One attempt at delivering a command failed.

    ``status`` is the HTTP status where an answer came; ``retry_after`` is in seconds, where the answer gave it.
    """

    def __init__(self, message: str, *, status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.retry_after = retry_after


class Refused(DeliveryError):
    """Intilery refused this command for good (400, 413, or 200 with ``success: false``)."""


class Unauthorised(DeliveryError):
    """The token has no rights here, or the account or brand in the address is wrong (401, 403, 404)."""


class Throttled(DeliveryError):
    """Over Intilery's rate (429)."""


class Unavailable(DeliveryError):
    """Intilery is in trouble (5xx)."""


class NotSent(DeliveryError):
    """The connection could not be made (DNS, connect, TLS), so no byte of the command left."""


class UnknownOutcome(DeliveryError):
    """The command was written, or may have been, and no answer came."""


class StoreError(GatewayError):
    """The store can't do what was asked."""


class StoreUnavailable(StoreError):
    """The store can't be written now."""


class StoreInUse(StoreError):
    """Another gateway serves from this store; SQLite is for one serving process."""


class StoreMoved(StoreError):
    """What is remembered here is on its way to another store, or has gone there."""


class SchemaTooNew(StoreError):
    """The store was written by a newer gateway."""


class NotFound(StoreError):
    """The store has nothing with that id."""


class Conflict(StoreError):
    """What was asked does not fit the state that the row is in."""
