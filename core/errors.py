"""Everything that can go wrong for a reason a person can cure, as one tree.

RoundsError
├── BadParams           a knob that does not exist, or a value out of its bounds
├── BadFeedback         feedback that cannot be used, or too little of it
├── BadModel            a base model or checkpoint that cannot be used
├── BadWorkspace        a folder that is no workspace, or whose state contradicts itself
│   └── Damaged         a file of a workspace that is not whole
├── Unwritable          a folder of a tool, outside of the workspace, that cannot be written
├── NotInstalled        an optional package that a command needs
├── NoTracking          MLflow does not answer, or refuses the address
├── NoFiles             files of a run that are not in MLflow's store
├── NotFound            no round, version or run goes by that name, or what was saved with it is gone
├── NoIncident          no incident has that number, or it is closed
├── Conflict            the alias `champion` is not where the caller believes it to be
│   ├── RolledBack      a version that was rolled away from
│   ├── NeverChampion   a rollback to a version that was never in use
│   └── CoolingDown     a promotion too soon after a rollback
├── Rejected            a promotion by hand of a version that its gates rejected
├── NoPoll              no round waits for votes
├── NotAsked            no candidate waits for approval
│   └── Decided         somebody has decided already, or the time is up
├── Differs             a replay that did not give the same bytes
├── RoundBusy           another round holds the lock
└── StepFailed          a step of a round ended with an error; names the step and the command that continues

A refusal of a gate is no error: it is a value (`Verdict`). Anything outside this tree is a bug and keeps its traceback.
Classes that one module raises are defined there; a test compares the tree with all of them.
"""


class RoundsError(Exception):
    """An error with a cure. Its message says what, where, and what to do."""


class BadParams(RoundsError):
    """A knob that does not exist, or a value that it does not accept."""


class BadFeedback(RoundsError):
    """Feedback that cannot be used, or too little of it for a round."""


class BadModel(RoundsError):
    """A base model, tokenizer or checkpoint that cannot be used."""


class BadWorkspace(RoundsError):
    """A folder that is not a workspace, or a workspace whose state is inconsistent."""


class Damaged(BadWorkspace):
    """A file of a workspace that is incomplete or corrupt: a disk lost part of it, or somebody edited it."""


class Unwritable(RoundsError):
    """A folder that a tool keeps outside of the workspace cannot be written."""


class NotInstalled(RoundsError):
    """An optional package that a command needs is missing, or cannot be imported."""


class RoundBusy(RoundsError):
    """Another round holds the workspace."""


class StepFailed(RoundsError):
    """A step of a round ended with an error."""
