"""Hub: reads repositories as huggingface.co and its mirrors serve them, over a connection of its own.

huggingface_hub keeps the studio offline (HF_HUB_OFFLINE is read once, at its import) and that stays so: only what is
asked for here goes out. Its own download also begins anew after a cut; this one asks for the missing bytes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2
from pydantic import BaseModel, ConfigDict, ValidationError

from studio.errors import ConflictError, GateError, InputError, NotFoundError, RightsError, StudioError
from studio.models.family import person_is_offline
from studio.models.pull.wanted import Wanted, kept_as
from studio.records.pullable import HubFile, HubSource

DEFAULT_ENDPOINT = "https://huggingface.co"
TIMEOUT = httpx2.Timeout(30.0, connect=10.0)
_COMMIT = re.compile(r"[0-9a-f]{40}")
FOLDER_HINT = "On a closed network: fetch the files elsewhere, and pull with `--from FOLDER`."


class _Lfs(BaseModel):
    model_config = ConfigDict(extra="ignore")
    sha256: str | None = None


class _Sibling(BaseModel):
    model_config = ConfigDict(extra="ignore")
    rfilename: str
    size: int | None = None
    blobId: str | None = None
    lfs: _Lfs | None = None


class _Model(BaseModel):
    """What the hub says of a repository at a revision, as far as it is read here."""

    model_config = ConfigDict(extra="ignore")
    sha: str
    siblings: list[_Sibling]


class Hub:
    """One hub, or a mirror of it.

    Args:
        endpoint: its address.
        token: a person's access token; sent to this address only, never to where it redirects.
    """

    def __init__(self, endpoint: str = DEFAULT_ENDPOINT, token: str | None = None) -> None:
        self.name = endpoint.rstrip("/")
        headers = {"Accept-Encoding": "identity", "User-Agent": "sasage-studio"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._client = httpx2.Client(headers=headers, timeout=TIMEOUT, follow_redirects=True)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Hub:
        """The hub that `HF_ENDPOINT` names (huggingface.co without it), with the token that huggingface_hub knows.

        Raises:
            ConflictError: a person has set `HF_HUB_OFFLINE`.
            InputError: the address is none.
        """
        if person_is_offline(environ):
            raise ConflictError("HF_HUB_OFFLINE is set: nothing is fetched.", f"Unset it. {FOLDER_HINT}")
        endpoint = environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT
        if not endpoint.startswith(("http://", "https://")):
            raise InputError(f"HF_ENDPOINT is no address: {endpoint!r}.", "It begins with https://.")
        from huggingface_hub import get_token

        return cls(endpoint, get_token())

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def look_up(self, source: HubSource) -> list[Wanted]:
        """The files of one repository, with the commit that its revision stands for.

        Raises:
            NotFoundError: no such repository, revision or file.
            RightsError: it is only for people whom the hub knows.
            GateError: a file, or the commit, is not the one that the preset names.
            ConflictError: the hub cannot be reached, or is busy.
        """
        model = self._model(source)
        if _COMMIT.fullmatch(source.revision) and model.sha != source.revision:
            raise GateError(
                f"{self.name} gives {source.repo} at {model.sha}, not at {source.revision} as the preset pins it.",
                "Do not use it before somebody has looked into it.",
            )
        known = {sibling.rfilename: sibling for sibling in model.siblings}
        missing = [file.path for file in source.files if file.path not in known]
        if missing:
            raise NotFoundError(
                f"{source.repo} at {source.revision} has no {', '.join(missing)}.",
                "Set another revision in the preset, or mend the paths.",
            )
        return [_wanted(source.repo, model.sha, file, known[file.path]) for file in source.files]

    @contextmanager
    def read(self, file: Wanted, start: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        """A file's bytes from `start` on (see `Source.read`)."""
        from huggingface_hub import hf_hub_url

        url = hf_hub_url(file.repo, file.source_path, revision=file.commit, endpoint=self.name)
        headers = {"Range": f"bytes={start}-"} if start else {}
        with _as_cut(), self._client.stream("GET", url, headers=headers) as response:
            self._refuse(response, f"{file.repo}, {file.source_path}")
            begins = start if response.status_code == 206 else 0
            yield begins, response.iter_bytes()  # as they arrive: a cut then loses next to nothing

    def _model(self, source: HubSource) -> _Model:
        url = f"{self.name}/api/models/{source.repo}/revision/{source.revision}"
        try:
            response = self._client.get(url, params={"blobs": "true"})
        except httpx2.HTTPError as error:
            raise ConflictError(
                f"The hub {self.name} cannot be reached ({type(error).__name__}).",
                f"Check the connection, the proxy and HF_ENDPOINT. {FOLDER_HINT}",
            ) from error
        self._refuse(response, f"{source.repo} at {source.revision}")
        try:
            return _Model.model_validate_json(response.content)
        except ValidationError as error:
            raise ConflictError(
                f"{self.name} does not answer as a model hub does.", "Check HF_ENDPOINT and the proxy."
            ) from error

    def _refuse(self, response: httpx2.Response, what: str) -> None:
        """Raises for an answer that holds no file."""
        status = response.status_code
        if status in (200, 206):
            return
        errors: dict[int, StudioError] = {
            401: RightsError(
                f"The hub {self.name} does not give {what} to somebody it does not know (401).",
                "Accept its terms on its page there, then set HF_TOKEN to your access token. "
                "It answers so for a wrong name, too.",
            ),
            403: RightsError(
                f"The hub {self.name} does not give {what} to the owner of this token (403).",
                "Accept its terms on its page there, and wait until they are granted.",
            ),
            404: NotFoundError(f"The hub {self.name} has no {what} (404).", "Check name and revision in the preset."),
            416: ConflictError(f"What was fetched of {what} does not fit (416).", "Remove it, and pull it again."),
        }
        raise errors.get(status) or ConflictError(
            f"The hub {self.name} answers {status} for {what}.", "Try again later; what was fetched is kept."
        )


@contextmanager
def _as_cut() -> Iterator[None]:
    """Whatever breaks a transfer is a ConnectionError."""
    try:
        yield
    except httpx2.HTTPError as error:
        raise ConnectionError(str(error) or type(error).__name__) from error


def _wanted(repo: str, commit: str, file: HubFile, found: _Sibling) -> Wanted:
    """Joins what the preset and the hub say of a file. Raises GateError where they differ, ConflictError."""
    lfs: Any = found.lfs.sha256 if found.lfs is not None else None
    differs = [
        f"{what} {ours}, on the hub {theirs}"
        for what, ours, theirs in (("size", file.size_bytes, found.size), ("sha256", file.sha256, lfs))
        if ours and theirs is not None and ours != theirs
    ]
    if differs:
        raise GateError(
            f"{repo}, {file.path} is not the file that the preset names: {'; '.join(differs)}.",
            "Do not use it before somebody has looked into it.",
        )
    size = found.size if found.size is not None else file.size_bytes
    if found.size is None and not size:
        raise ConflictError(f"The hub does not say how large {file.path} of {repo} is.", "Try another HF_ENDPOINT.")
    git_sha1 = found.blobId if lfs is None else None
    return Wanted(repo, commit, file.path, kept_as(file), size, file.sha256 or lfs, git_sha1)
