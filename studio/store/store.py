"""Store: the database and the files of one home, opened and closed together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from studio.errors import ResourceError
from studio.records.generation import Variant
from studio.records.listing import Listing
from studio.records.photo import CaptionRevision, Dataset, Photo
from studio.records.product import Product
from studio.records.pullable import LicenceAcceptance
from studio.records.review import Decision, Measurement
from studio.records.training import TrainingRun
from studio.settings import Settings
from studio.store import tables
from studio.store.database import Database
from studio.store.files import FileStore
from studio.store.job_table import JobTable
from studio.store.repository import History, Repository
from studio.store.thumbnails import Thumbnails


class Store:
    """The only truth of one home. One object serves all threads; open it with `Store.open`."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database
        self.files = FileStore(settings.files_dir)
        self.thumbnails = Thumbnails(self.files, settings.home / "thumbnails")
        self.products = Repository(database, tables.PRODUCTS, Product, key="sku")
        self.datasets = Repository(database, tables.DATASETS, Dataset)
        self.photos = Repository(database, tables.PHOTOS, Photo)
        self.captions = History(database, tables.CAPTIONS, CaptionRevision)
        self.training_runs = Repository(database, tables.TRAINING_RUNS, TrainingRun)
        self.variants = Repository(database, tables.VARIANTS, Variant)
        self.measurements = Repository(database, tables.MEASUREMENTS, Measurement)
        self.decisions = History(database, tables.DECISIONS, Decision)
        self.listings = Repository(database, tables.LISTINGS, Listing)
        self.licence_acceptances = History(database, tables.LICENCE_ACCEPTANCES, LicenceAcceptance)
        self.jobs = JobTable(database)

    @classmethod
    def open(cls, settings: Settings) -> Store:
        """Open the home, making it where there is none, and bring its tables to the present version.

        Raises:
            ResourceError: the home cannot be written.
            ConflictError: the home was written by a newer studio.
        """
        try:
            settings.files_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ResourceError(
                f"The studio's home {settings.home} cannot be made ({error.strerror}).", "Set STUDIO_HOME elsewhere."
            ) from error
        database = Database(settings.database_url)
        try:
            database.migrate()
        except BaseException:
            database.close()
            raise
        return cls(settings, database)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything that this thread stores inside is one commit, or nothing when an error leaves the block.

        Other writers wait meanwhile, so no slow work belongs in here.
        """
        with self.database.transaction():
            yield

    def close(self) -> None:
        """Close the database. The store is of no use afterwards."""
        self.database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
