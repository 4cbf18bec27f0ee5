"""The exceptions that a user's mistake raises.

AlignerError            printed as one line, without traceback; exit code 2
├── ConfigError         a recipe or an option that does not fit
├── CorpusError         text that cannot be read, or does not line up
├── LinkFormatError     an alignment or gold file that is malformed
├── ModelError          a model directory that is missing, damaged or foreign
└── TrainingError       a training that cannot go on as it is
    └── TrainingStopped one that was asked to stop, and can be resumed

Each message is one line that names the file, the line where there is one, what was
expected and what came.
"""


class AlignerError(Exception):
    """Anything that the user can put right."""


class ConfigError(AlignerError):
    """A recipe or an option that does not fit."""


class CorpusError(AlignerError):
    """Text that cannot be read, or whose lines do not correspond."""


class LinkFormatError(AlignerError):
    """An alignment or gold file that is malformed."""


class ModelError(AlignerError):
    """A model directory that is missing, damaged or foreign."""


class TrainingError(AlignerError):
    """A training that cannot go on as it is."""


class TrainingStopped(TrainingError):
    """A training that was asked to stop; a checkpoint is kept."""
