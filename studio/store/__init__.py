"""The database and the content-addressed files: the only place that speaks SQL."""

from studio.store.accounts import Accounts
from studio.store.files import FileStore, sweep_leftovers, write_atomic
from studio.store.repository import History, Repository
from studio.store.store import Store

__all__ = ["Accounts", "FileStore", "History", "Repository", "Store", "sweep_leftovers", "write_atomic"]
