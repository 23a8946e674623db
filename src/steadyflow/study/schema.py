"""The JSON schema of study files, for editors: python -m steadyflow.study.schema > FILE."""

import json

from steadyflow.study.specs import Study


def study_schema() -> str:
    return json.dumps(Study.model_json_schema(), indent=2) + "\n"


if __name__ == "__main__":
    print(study_schema(), end="")
