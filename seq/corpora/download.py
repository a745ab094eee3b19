"""Downloading a corpus: with a progress bar, going on where a broken transfer stopped, with a checksum."""

from __future__ import annotations

import errno
import hashlib
import http.client
import os
import shutil
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path

from seq.errors import InputError
from seq.utils.files import name_in_errors, temporary_beside
from seq.utils.progress import progress_bar

BLOCK_BYTES = 1 << 20
TIMEOUT_SECONDS = 30
NUM_ATTEMPTS = 3


def download_zip(url: str, md5: str, target: Path, by_hand: str) -> Path:
    """Download a zip file into `target` and unpack it there; returns the folder that it was unpacked into.

    A rerun goes on with what is there: a complete folder is used as it is, a partial file is completed. The zip
    file is removed once it is unpacked.

    Args:
        md5: hexadecimal digits, as published.
        by_hand: what to do where the download fails; becomes part of the error.

    Raises:
        InputError: the server cannot be reached or breaks off repeatedly, or the checksum is wrong.
    """
    name = Path(urllib.parse.urlsplit(url).path).name
    unpacked = target / Path(name).stem
    if unpacked.is_dir():
        return unpacked
    archive = target / name
    download(url, md5, archive, by_hand)
    unzip(archive, unpacked)
    archive.unlink()
    return unpacked


def download_commit(url: str, tree: str, target: Path, by_hand: str) -> Path:
    """Download the zip file of a commit of a git repository; the same as `download_zip`, with git's own checksum.

    The host packs such a file when it is asked for, so that its bytes may change; what is in it may not.

    Args:
        tree: the id of the commit's tree (`git rev-parse 'COMMIT^{tree}'`).

    Raises:
        InputError: as `download_zip`.
    """
    name = Path(urllib.parse.urlsplit(url).path).name
    unpacked = target / Path(name).stem
    if unpacked.is_dir():
        return unpacked
    archive, checked = target / name, target / f"{Path(name).stem}.unchecked"
    download(url, None, archive, by_hand)
    shutil.rmtree(checked, ignore_errors=True)
    unzip(archive, checked)
    # The one folder in it is called after repository and commit.
    found = [tree_id(folder) for folder in checked.iterdir()]
    if found != [tree]:
        shutil.rmtree(checked)
        archive.unlink()
        raise InputError(f"{url} holds other files than those of its commit and was removed: do it by hand. {by_hand}")
    os.replace(checked, unpacked)
    archive.unlink()
    return unpacked


def tree_id(folder: Path) -> str:
    """The id that git gives to the files below `folder`, were they committed: a checksum of names and contents.

    Executable files and links count as plain files.
    """
    entries = []
    for path in folder.iterdir():
        if path.is_dir():
            entries.append((f"{path.name}/", b"40000 ", tree_id(path)))
        else:
            data = path.read_bytes()
            entries.append((path.name, b"100644 ", _git_id(b"blob", data)))
    content = b"".join(
        mode + name.rstrip("/").encode() + b"\0" + bytes.fromhex(id_) for name, mode, id_ in sorted(entries)
    )
    return _git_id(b"tree", content)


def _git_id(kind: bytes, content: bytes) -> str:
    return hashlib.sha1(kind + b" %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def download(url: str, md5: str | None, path: Path, by_hand: str) -> None:
    """Download `url` to `path`, whose folder is created; see `download_zip`. What is incomplete is `<path>.part`.

    Args:
        md5: None where what is downloaded is checked otherwise.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and md5 in (None, _md5(path)):
        return
    part = path.with_name(path.name + ".part")
    failure: Exception | None = None
    for _ in range(NUM_ATTEMPTS):
        try:
            _fetch(url, part)
            break
        # IncompleteRead and RemoteDisconnected are HTTPExceptions; refused, unknown host and time-out are OSErrors.
        except (OSError, http.client.HTTPException) as error:
            if _is_disk(error):
                raise
            failure = error
    else:
        reason = getattr(failure, "reason", None) or failure
        raise InputError(f"the download failed ({reason}): run the same command to go on, or do it by hand. {by_hand}")
    if md5 is not None and (found := _md5(part)) != md5:
        part.unlink()
        raise InputError(f"{url} has the md5 {found} instead of {md5} and was removed: do it by hand. {by_hand}")
    os.replace(part, path)


def _is_disk(error: Exception) -> bool:
    """Whether an error is about the file that is written and not about the transfer: trying again is no use."""
    if not isinstance(error, OSError) or isinstance(error, urllib.error.URLError):
        return False
    return error.filename is not None or error.errno in (errno.ENOSPC, errno.EDQUOT)


def _fetch(url: str, part: Path) -> None:
    """Append to `part` what it lacks. Raises IncompleteRead where the connection ends too early."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return  # Nothing is left to fetch; the checksum will tell.
        raise
    with response:
        # A server without ranges answers 200 and begins anew.
        is_resumed = response.status == http.client.PARTIAL_CONTENT
        have = have if is_resumed else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length is not None else None
        progress = progress_bar(total=total, initial=have, unit="B", unit_scale=True, desc=part.stem)
        with open(part, "ab" if is_resumed else "wb") as file, progress:
            while block := response.read(BLOCK_BYTES):
                with name_in_errors(part):
                    file.write(block)
                progress.update(len(block))
            have = file.tell()
    # http.client says nothing when a transfer with a known length ends early and is read in blocks.
    if total is not None and have < total:
        raise http.client.IncompleteRead(b"", total - have)


def unzip(archive: Path, target: Path) -> None:
    """Unpack into `target`, which appears only when it is complete.

    Raises:
        InputError: the archive is broken, or has a member that would be written outside `target`.
    """
    temporary = temporary_beside(target)
    try:
        with zipfile.ZipFile(archive) as file:
            for member in progress_bar(file.infolist(), desc="unpack", unit="file"):
                destination = (temporary / member.filename).resolve()
                if not destination.is_relative_to(temporary.resolve()):
                    raise InputError(f"{archive} has a member outside its folder ({member.filename}): do not use it")
                with name_in_errors(destination):
                    file.extract(member, temporary)
        os.replace(temporary, target)
    except zipfile.BadZipFile as error:
        raise InputError(
            f"{archive} is not a complete zip file ({error}): delete it and run the same command"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
