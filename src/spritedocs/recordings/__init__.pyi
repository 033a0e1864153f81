from .beside import CLEAR, Beside, Row
from .claims import Claim, ClaimError, Verdict, claimed_values
from .cleaning import cleaned, cleaned_notebook, plain
from .examples import Example, ExampleError, Project
from .fingerprints import source_sha256
from .front_matter import read_page
from .library import Library, Status
from .orphaned import orphans
from .privacy import private_in
from .provenance import Provenance
from .publication import Entry, machine_name, provenance_line, published
from .recorder import RecordError, can_store, record, record_own, store_report
from .recording import Recording, RecordingError, Result, joined
from .run_facts import facts

__all__ = [
    "CLEAR",
    "Beside",
    "Claim",
    "ClaimError",
    "Entry",
    "Example",
    "ExampleError",
    "Library",
    "Project",
    "Provenance",
    "RecordError",
    "Recording",
    "RecordingError",
    "Result",
    "Row",
    "Status",
    "Verdict",
    "can_store",
    "claimed_values",
    "cleaned",
    "cleaned_notebook",
    "facts",
    "joined",
    "machine_name",
    "orphans",
    "plain",
    "private_in",
    "provenance_line",
    "published",
    "read_page",
    "record",
    "record_own",
    "source_sha256",
    "store_report",
]
