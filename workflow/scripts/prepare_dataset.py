"""Stage: a source becomes a dataset, that is a manifest and images at the study's resolution."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from steadyflow.data.archives import as_folder
from steadyflow.data.dataset import write_dataset
from steadyflow.data.downloads import check_downloads
from steadyflow.data.sources import SOURCES
from steadyflow.plan.script import StageRun, run_stage, stage_parser
from steadyflow.stages.data import downloaded_files

parser = stage_parser("prepare_dataset", __doc__)
parser.add_argument("--threads", type=int, default=1, help="images decoded side by side")


def main(job: StageRun) -> None:
    study, output = job.study, job.outputs["manifest"].parent
    spec = study.datasets[job.names["dataset"]]
    arguments = spec.model_dump(include=spec.arguments)
    details: dict[str, Any] = {"spec": spec.identity()}
    with ExitStack() as stack:
        if spec.downloaded:
            listing = Path(downloaded_files(study, job.names["dataset"]))
            content = check_downloads(listing, **spec.model_dump(include={"repo", "revision"}))
            arguments["path"] = listing.parent
            # Files of an earlier revision may lie beside them.
            if "listed" in spec.arguments:
                arguments["listed"] = {file["path"] for file in content["files"]}
            details["downloaded"] = {key: value for key, value in content.items() if key != "files"}
        elif "path" in spec.arguments:
            arguments["path"] = stack.enter_context(as_folder(arguments["path"], output / ".extracted"))
        write_dataset(
            SOURCES[spec.source](**arguments),
            output,
            resolution=spec.resolution,
            channels=spec.channels,
            val_fraction=spec.val_fraction,
            fit=spec.fit,
            bad_images=spec.bad_images,
            threads=job.flags.threads,
            details=details,
        )


if __name__ == "__main__":
    run_stage(parser, main)
