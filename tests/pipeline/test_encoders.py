"""A study whose images are compared in a network of others: here one of faces, as small as can be."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from support.face_networks import write_detection, write_recognition
from support.tiny import TINY_TOKENIZER
from support.workspace import REPOSITORY, Workspace, edited, jobs_of

from steadyflow.ground.artifacts import file_hash, read_array, read_json, write_array

pytestmark = pytest.mark.pipeline

STUDY = yaml.safe_load("""
name: faces
datasets:
  digits: {source: digits, resolution: 16, val_fraction: 0.2}
encoders:
  faces: {kind: arcface}
  probe: {width: 8, feature_dim: 16, steps: 5}
defaults:
  runs: {model: DiT-T/2, precision: fp32, steps: 4, batch_size: 16, learning_rate: 1.0e-3, ema_decay: 0.9}
runs:
  one: {}
  other: {seed: 1}
samplings:
  euler: {steps: 2, count: 128}
evaluations:
  digits: {reference: one, encoders: [probe], similarity_encoders: [faces], classifiers: []}
""")
STUDY["tokenizers"] = {"vqvae": TINY_TOKENIZER}
FILES = ("glintr100.onnx", "scrfd_10g_bnkps.onnx")


class Faces(Workspace):
    """Its own copy of the repository, whose lock asks for the networks that a test writes."""

    @property
    def repository(self) -> Path:
        return self.directory / "repository"

    def copy_repository(self) -> None:
        unneeded = shutil.ignore_patterns("__pycache__")
        for name in ("workflow", "src", "resources", "envs"):
            shutil.copytree(REPOSITORY / name, self.repository / name, ignore=unneeded)
        shutil.copy(REPOSITORY / "Snakefile", self.repository)

    def write_weights(self, seed: int = 0) -> None:
        folder = self.directory / "downloads" / "weights"
        folder.mkdir(parents=True, exist_ok=True)
        written = [write_recognition(folder / FILES[0], seed), write_detection(folder / FILES[1], patchy=True)]
        entries = [
            f'["{path.name}"]\nurl = "http://127.0.0.1/{path.name}"\nlicence = "none"\n'
            f'sha256 = "{hashlib.sha256(path.read_bytes()).hexdigest()}"\n'
            for path in written
        ]
        (self.repository / "resources" / "weights.lock").write_text("".join(entries), encoding="utf-8")

    @property
    def metrics(self) -> list[Path]:
        """All that is measured of the study."""
        names = ("similarity", "quality/one", "quality/other")
        return [self.target("digits", "metrics", f"{name}.parquet") for name in names]

    def plan(self, study: Path) -> set[str]:
        done = self.snakemake(*self.metrics, "--dry-run", study=study, repository=self.repository)
        assert done.returncode == 0, done.stdout
        return jobs_of(done.stdout)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Faces:
    space = Faces(tmp_path_factory.mktemp("faces"))
    space.copy_repository()
    space.write_weights()
    done = space.snakemake(*space.metrics, study=space.write(STUDY), repository=space.repository)
    assert done.returncode == 0, done.stdout
    return space


def test_absent_weights_are_listed_before_anything_is_computed(space: Workspace) -> None:
    study = space.write(STUDY)
    done = space.snakemake("all", study=study)
    assert done.returncode != 0 and not jobs_of(done.stdout)
    for name, size, digest in (
        ("glintr100.onnx", 260665334, "4ab1d6435d639628a6f3e5008dd4f929edf4c4124b1a7169e1048f9fef534cdf"),
        ("scrfd_10g_bnkps.onnx", 16923827, "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91"),
    ):
        assert f"downloads/weights/{name} ({size} bytes, sha256 {digest}) from https://" in done.stdout
    assert "run `snakemake fetch`" in done.stdout and not space.results.joinpath("digits").exists()
    fetched = {"fetch"} | {f"download_weights weights={name}" for name in ("antelopev2.zip", *FILES)}
    assert space.planned("fetch", study=study) == fetched
    # What needs no encoder is made.
    assert space.planned(space.target("digits", "latents", "vqvae.npy"), study=study)


def test_a_file_put_by_hand_needs_no_archive(space: Workspace) -> None:
    folder = space.directory / "downloads" / "weights"
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_bytes(b"not weights")
    study = space.write(STUDY)
    assert not [job for job in space.planned("all", study=study) if job.startswith("download")]
    done = space.snakemake(space.target("digits", "embeddings", "faces.npy"), study=study)
    assert done.returncode != 0 and f"error: downloads/weights/{FILES[0]}: 260665334 bytes expected" in done.stdout


def test_features_say_what_they_were_made_of(faces: Faces) -> None:
    features, sidecar = (faces.target("digits", "features", "faces", "one", f"euler{x}") for x in (".npy", ".json"))
    said = read_json(sidecar)
    images = faces.target("digits", "samples", "one", "euler", "images.npy")
    weights = [file_hash(faces.directory / "downloads" / "weights" / name) for name in FILES]
    found = np.isfinite(read_array(features)).all(axis=1)
    norm = np.linalg.norm(read_array(features)[found], axis=1).mean()
    assert 0 < found.sum() < 128
    assert said == {
        "encoder": "arcface",
        "protocol": "ArcFace glintr100, five points of SCRFD at 640 aligned to 112",
        "dim": 512,
        "encoder_hash": "+".join(weights),
        "licence": "none",
        "images_hash": file_hash(images),
        "images": 128,
        "without_features": int((~found).sum()),
        "l2_norm": {"mean": pytest.approx(norm), "normalised": False},
    }


def test_metrics_count_the_images_that_have_features(faces: Faces) -> None:
    similarity = pd.read_parquet(faces.target("digits", "metrics", "similarity.parquet")).query("run == 'other'")
    found = {
        run: np.isfinite(read_array(faces.target("digits", "features", "faces", run, "euler.npy"))).all(axis=1)
        for run in ("one", "other")
    }
    in_faces = similarity.query("encoder == 'faces'").set_index("metric")["n"]
    # What is beyond the null models is of faces that these have too.
    beyond = in_faces.index.str.startswith("beyond")
    assert (
        set(in_faces[~beyond]) == {(found["one"] & found["other"]).sum()} and max(in_faces) == in_faces[~beyond].max()
    )
    assert set(similarity.query("encoder == 'latent'")["n"]) == {128}
    assert similarity["value"].notna().all()


def test_fairness_needs_a_classifier(faces: Faces) -> None:
    assert not list(faces.target("digits").rglob("*fairness*"))
    target = faces.target("digits", "metrics", "fairness.parquet")
    done = faces.snakemake(target, study=faces.write(STUDY), repository=faces.repository)
    assert done.returncode != 0 and "evaluations.digits.classifiers: there are none" in done.stdout


def embedded(jobs: set[str]) -> set[str]:
    return {job for job in jobs if job.startswith("embed") and "encoder=faces" in job}


def test_an_edited_evaluation_encodes_nothing_anew(faces: Faces) -> None:
    edit = faces.write(edited(STUDY, {"evaluations/digits/seed": 1}), "edited.yaml")
    planned = faces.plan(edit)
    assert not embedded(planned) and "measure_quality dataset=digits measured=one" in planned
    assert not faces.plan(faces.write(STUDY))


def test_other_preprocessing_images_or_weights_do(faces: Faces) -> None:
    runs = ("one", "other", "one.gaussian", "one.untrained")
    samples = {f"embed_samples dataset=digits encoder=faces run={run} sampling=euler" for run in runs}
    everything = samples | {"embed_images dataset=digits encoder=faces"}
    edit = faces.write(edited(STUDY, {"encoders/faces/alignment": "whole_frame"}), "edited.yaml")
    assert embedded(faces.plan(edit)) == everything
    study = faces.write(STUDY)
    images = faces.target("digits", "samples", "other", "euler", "images.npy")
    original = np.array(read_array(images))
    write_array(images, 255 - original)
    assert embedded(faces.plan(study)) == {job for job in samples if "run=other" in job}
    write_array(images, original)
    faces.write_weights(seed=1)
    assert embedded(faces.plan(study)) == everything
    faces.write_weights()


def test_an_exchanged_file_is_made_anew_and_what_was_computed_from_it(faces: Faces) -> None:
    images = faces.target("digits", "samples", "other", "euler", "images.npy")
    features = {run: faces.target("digits", "features", "faces", run, "euler.npy") for run in ("one", "other")}
    before = {path: file_hash(path) for path in (images, *features.values())}
    write_array(images, read_array(images)[::-1])
    done = faces.snakemake(*features.values(), study=faces.write(STUDY), repository=faces.repository)
    assert done.returncode == 0, done.stdout
    assert jobs_of(done.stdout) == {
        "sample_run dataset=digits run=other sampling=euler",
        "embed_samples dataset=digits encoder=faces run=other sampling=euler",
    }
    assert {path: file_hash(path) for path in before} == before
    assert read_json(features["other"].with_suffix(".json"))["images_hash"] == file_hash(images)
    # What reads sampling.json, where the times of sampling stand, follows; nothing is sampled or encoded.
    planned = faces.plan(faces.write(STUDY))
    assert not any(job.startswith(("sample_run", "embed")) for job in planned)
