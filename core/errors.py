"""All errors that a user can fix, as one tree.

RoundsError
├── BadParams           an unknown knob, an invalid value, or options that exclude each other
├── BadFeedback         invalid feedback, or too little of it
├── BadModel            a base model or checkpoint that cannot be used
│   └── RolloutMismatch the sampler's log-probabilities differ from those of the forward pass
├── BadWorkspace        a folder that is not a workspace, or a workspace in an inconsistent state
│   ├── Damaged         a file of a workspace that is incomplete or invalid
│   └── Inconsistent    audit log, records and registry contradict each other
├── Unwritable          a folder or a disk that cannot be written
├── NotInstalled        an optional package that a command needs is missing
├── NoSampler           a vLLM server that samples does not start or answer, or answers otherwise than expected
├── NoTracking          MLflow does not answer, or rejects the address
├── NoDatabase          the feedback database does not answer
├── NoPrefect           there is no Prefect server, or it does not answer
├── NoReward            a reward server does not answer, or not with one finite number for each text
├── NoUpstream          the server that is to write the serving app's answers does not answer, or not as it should
├── NoHandover          the handover cannot be reached, read or written
├── NoServer            the PostgreSQL server of ROUNDS_POSTGRESQL does not answer
├── PortTaken           a service of `rounds up` cannot listen on its port
├── OtherSchema         a database that an earlier or later version of Prefect or MLflow wrote
├── ServiceFailed       a service of `rounds up` did not start, or ended
├── NotEnding           services that are to be ended are still there
├── OnlyLinux           `rounds up` on another system
├── QueueFull           too many requests wait for the model that serves
├── ModelUnavailable    the model that serves fails whatever it is asked, or the server is stopping
├── TooManyVersions     a version is asked for, and as many as may be are in memory and in use
├── Unreadable          MLflow's registry cannot be read by `rounds doctor`
├── NoFiles             files of a run are missing from MLflow's artifact store
├── NotFound            no round, step, version or run has that name, or its saved files are gone
├── NoIncident          no incident has that number, or it is already closed
├── AliasConflict       the alias `champion` points to another version than expected
│   ├── RolledBack      the version was rolled back earlier
│   ├── NeverChampion   a rollback to a version that was never champion
│   └── CoolingDown     a promotion too soon after a rollback
├── Unverified          a version or audit lines that neither the audit log nor a trusted key vouches for
├── VersionRejected     a manual promotion of a version that the gates rejected
├── NoPoll              no round waits for votes
├── VotedBefore         a person's vote on a pair that would replace one that was not taken back
├── NotYours            a task of the label page that the annotator does not have
├── AlreadyJudged       a task of the label page that the annotator judged otherwise before
├── NothingToUndo       no judgement that the annotator could take back
├── TaskMoved           another request changed a task of the label page after it was read
├── StoredOtherwise     an id is stored with other content, and all was to be stored or nothing
├── NotAsked            the round does not wait for approval
│   └── AlreadyDecided  somebody has decided already, or the deadline has passed
├── NoRendezvous        too few machines came for a step that trains on several
├── RanksDiffer         machines that train together have different code, packages or workspaces
├── ReplayDiffers       a replay that did not reproduce the same bytes
├── RoundBusy           another process holds a lock
└── StepFailed          a step of a round failed; names the step and the command that continues

A rejection by a gate is not an error but a value (`Verdict`). Any exception outside this tree is a bug and keeps its
traceback. An error raised by only one module is defined there; a test compares this tree with all definitions.
"""

from core.urls import without_secrets


class RoundsError(Exception):
    """An error that the user can fix. The message says what is wrong, where, and what to do.

    Messages quote addresses and errors of libraries, and are printed, logged and stored: secrets are removed here.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(without_secrets(str(message)))


class BadParams(RoundsError):
    """An unknown knob, an invalid value, or options that exclude each other."""


class BadFeedback(RoundsError):
    """Invalid feedback, or too little of it for a round."""


class BadModel(RoundsError):
    """A base model, tokenizer or checkpoint that cannot be used."""


class BadWorkspace(RoundsError):
    """A folder that is not a workspace, or a workspace whose state is inconsistent."""


class Damaged(BadWorkspace):
    """A file of a workspace that is incomplete or corrupt: a disk lost part of it, or somebody edited it."""


class Unwritable(RoundsError):
    """A folder cannot be written: it is read-only or another user's, or its disk is full."""


class NotInstalled(RoundsError):
    """An optional package that a command needs is missing, or cannot be imported."""


class NoSampler(RoundsError):
    """A vLLM server that samples does not start or answer, or answers otherwise than expected."""


class NotFound(RoundsError):
    """There is no round, step, version, run, pair or sample of that name, or its saved files are gone."""


class RoundBusy(RoundsError):
    """Another process holds a lock, usually a round that is running in the workspace."""


class StepFailed(RoundsError):
    """A step of a round failed."""
