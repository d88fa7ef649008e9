"""Why a compilation ends, in the words that Google's compiler prints."""


class CompilerError(Exception):
    """Nothing is written; str() is what is printed."""


class InvalidModel(CompilerError):
    """A file cannot be compiled at all. str(): the line below "Invalid model: FILE"; place: which of the files."""

    def __init__(self, reason: str, place: int = 0) -> None:
        super().__init__(reason)
        self.place = place


class CompilationFailed(CompilerError):
    """str(): what stands behind "Compilation failed: "."""
