"""Everything that can go wrong for a reason a person can cure, as one tree.

RoundsError
├── BadParams       a knob that does not exist, or a value out of its bounds
├── BadFeedback     feedback that cannot be used, or too little of it
├── BadModel        a base model or checkpoint that cannot be used
├── BadWorkspace    a folder that is no workspace, or whose state contradicts itself
│   └── Damaged     a file of a workspace that is not whole
├── Unwritable      a folder of a tool, outside of the workspace, that cannot be written
├── NotInstalled    an optional package that a command needs
├── RoundBusy       another round holds the lock
└── StepFailed      a step of a round ended with an error; names the step and the command that continues

A refusal of a gate is no error: it is a value (`Verdict`). Anything outside this tree is a bug and keeps its traceback.
"""


class RoundsError(Exception):
    """An error with a cure. Its message says what, where, and what to do."""


class BadParams(RoundsError):
    """A knob that does not exist, or a value that it does not take."""


class BadFeedback(RoundsError):
    """Feedback that cannot be used, or too little of it for a round."""


class BadModel(RoundsError):
    """A base model, tokenizer or checkpoint that cannot be used."""


class BadWorkspace(RoundsError):
    """A folder that is no workspace, or whose state contradicts itself."""


class Damaged(BadWorkspace):
    """A file of a workspace that is not whole: a disk lost part of it, or somebody edited it."""


class Unwritable(RoundsError):
    """A folder that a tool keeps outside of the workspace cannot be written."""


class NotInstalled(RoundsError):
    """An optional package that a command needs is missing, or cannot be imported."""


class RoundBusy(RoundsError):
    """Another round holds the workspace."""


class StepFailed(RoundsError):
    """A step of a round ended with an error."""
