"""The counts of a reader: rows read, rows dropped by reason, the first faults."""

from dataclasses import dataclass, field

FAULTS_SHOWN = 10
BLANK, MALFORMED = "blank", "malformed"


@dataclass
class Tally:
    """Counts that a reader fills while it streams."""

    read: int = 0  # rows, kept or dropped
    undecodable: int = 0  # rows with bytes that were not UTF-8, replaced by U+FFFD
    dropped: dict[str, int] = field(default_factory=dict)  # rows by reason
    faults: list[str] = field(default_factory=list)  # the first ones, as `file:line: reason`

    def drop(self, reason: str, count: int = 1) -> None:
        """Count dropped rows; a count of 0 adds no reason."""
        if count:
            self.dropped[reason] = self.dropped.get(reason, 0) + count

    def fault(self, message: str, reason: str = MALFORMED) -> None:
        """Count a row that cannot be used, and store the message of the first ones."""
        self.drop(reason)
        if len(self.faults) < FAULTS_SHOWN:
            self.faults.append(message)

    def add(self, other: "Tally") -> None:
        """Add the counts of another reader."""
        self.read += other.read
        self.undecodable += other.undecodable
        for reason, count in other.dropped.items():
            self.drop(reason, count)
        self.faults = (self.faults + other.faults)[:FAULTS_SHOWN]

    @property
    def kept(self) -> int:
        """Rows that were read and not dropped."""
        return self.read - sum(self.dropped.values())
