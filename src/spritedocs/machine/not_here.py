"""What cannot be done on this machine."""

__all__ = ["NotHere"]


class NotHere(SystemExit):
    """This machine cannot do that: one sentence says why, and what would help.

    A script that does not catch it leaves with the sentence and exit status 1, without a traceback.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
