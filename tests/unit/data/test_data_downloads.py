import json

import pytest

from steadyflow.data.downloads import check_downloads
from steadyflow.ground.artifacts import UserError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def listing(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train-0.parquet").write_bytes(b"12345")
    path = tmp_path / "files.json"
    path.write_text(
        json.dumps(
            {
                "repo": "some/faces",
                "commit": COMMIT,
                "files": [{"path": "data/train-0.parquet", "bytes": 5, "sha256": "0"}],
            }
        )
    )
    return path


def test_what_the_list_says_is_given_back(listing):
    for revision in ("main", "v1.0", COMMIT[:7], COMMIT):
        assert check_downloads(listing, "some/faces", revision)["commit"] == COMMIT


@pytest.mark.parametrize(
    ("repo", "revision", "message"),
    [
        ("other/faces", "main", "some/faces, but the study asks for other/faces"),
        (None, "", "some/faces, but the study asks for no dataset of the hub"),
        ("some/faces", "f" * 40, f"commit {COMMIT}, but the study asks for commit {'f' * 40}"),
    ],
)
def test_files_of_another_dataset_or_commit_are_refused(listing, repo, revision, message):
    with pytest.raises(UserError) as error:
        check_downloads(listing, repo, revision)
    assert str(error.value) == (
        f"{listing}: lists files of {message}; rename the dataset in the study, set another folder as `downloads`, or "
        f"delete {listing.parent} and run `snakemake fetch` again"
    )


def test_files_that_are_missing_or_of_another_size_are_named(listing):
    file = listing.parent / "data" / "train-0.parquet"
    file.write_bytes(b"1234")
    with pytest.raises(UserError, match=r"train-0\.parquet: has 4 bytes instead of 5; run `snakemake fetch` again"):
        check_downloads(listing, "some/faces")
    file.unlink()
    with pytest.raises(UserError, match=r"train-0\.parquet: is missing; run `snakemake fetch` again"):
        check_downloads(listing, "some/faces")


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"files": [{"path": "a"}]}', '{"files": [{"path": "a", "bytes": "x"}]}', None]
)
def test_what_is_no_list_is_named(listing, content):
    if content is None:
        listing.unlink()
    else:
        listing.write_text(content)
    with pytest.raises(
        UserError, match=r"files\.json: no list of downloaded files .*delete it and run `snakemake fetch`"
    ):
        check_downloads(listing, "some/faces")
