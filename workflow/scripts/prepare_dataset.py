"""Stage: a source becomes a dataset, that is a manifest and images at the study's resolution."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from steadyflow.cli import run_stage, stage_parser
from steadyflow.data.archives import as_folder
from steadyflow.data.dataset import write_dataset
from steadyflow.data.downloads import check_downloads
from steadyflow.data.sources import SOURCES
from steadyflow.study import load_study, paths

parser = stage_parser(__doc__, study=True)
parser.add_argument("--dataset", required=True, help="its name in the study")
parser.add_argument("--output", type=Path, required=True, help="folder for manifest.parquet, dataset.json and images/")
parser.add_argument("--threads", type=int, default=1, help="images decoded side by side")


def main() -> None:
    args = parser.parse_args()
    study = load_study(args.study)
    spec = study.datasets[args.dataset]
    arguments = spec.model_dump(include=spec.arguments)
    details: dict[str, Any] = {"spec": spec.identity()}
    with ExitStack() as stack:
        if spec.downloaded:
            listing = Path(paths.downloaded_files(study, args.dataset))
            content = check_downloads(listing, **spec.model_dump(include={"repo", "revision"}))
            arguments["path"] = listing.parent
            # Files of an earlier revision may lie beside them.
            if "listed" in spec.arguments:
                arguments["listed"] = {file["path"] for file in content["files"]}
            details["downloaded"] = {key: value for key, value in content.items() if key != "files"}
        elif "path" in spec.arguments:
            arguments["path"] = stack.enter_context(as_folder(arguments["path"], args.output / ".extracted"))
        write_dataset(
            SOURCES[spec.source](**arguments),
            args.output,
            resolution=spec.resolution,
            channels=spec.channels,
            val_fraction=spec.val_fraction,
            fit=spec.fit,
            bad_images=spec.bad_images,
            threads=args.threads,
            details=details,
        )


if __name__ == "__main__":
    run_stage(main)
