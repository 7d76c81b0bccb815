"""The registry: MLflow runs and versions of the portable model, and the champion among them."""

import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities import LoggedModel, Param, RunInfo
from mlflow.exceptions import MlflowException

from features.errors import ModelNotFoundError, RegistryError
from features.project import Project
from models.charts import Chart, write_chart
from models.fitted import Fitted
from models.loaded import LoadedModel
from models.portable import PortableModel
from models.registry_decisions import Decision, history
from models.registry_numbers import batches
from models.registry_package import package
from models.tracking import fault, few_tries, quiet, shown

__all__ = ["CHALLENGER", "CHAMPION", "LoadedModel", "Registry"]

CHAMPION, CHALLENGER = "champion", "challenger"


class Registry:
    """Runs, versions and aliases at one tracking address.

    Parameters
    ----------
    tracking_uri : str
        An MLflow tracking server, or `sqlite:///PATH`.
    artifacts : Path, optional
        Where a tracking file keeps its artifacts; a server decides for itself.

    Raises
    ------
    RegistryError
        At the first question, if nothing there answers.
    """

    def __init__(self, tracking_uri: str, artifacts: Path | None = None) -> None:
        self.tracking_uri, self._artifacts = tracking_uri, artifacts

    @cached_property
    def _client(self) -> MlflowClient:
        """Made at the first question: a new tracking file takes seconds to lay out."""
        address = self.tracking_uri
        try:
            with quiet(logging.CRITICAL), few_tries():
                client = MlflowClient(address, address)
                client.search_registered_models(max_results=1)
        except Exception as error:  # noqa: BLE001 - MLflow passes on whatever its stores raise
            said = f"the model registry {shown(address)} cannot be used: {fault(error, address)}"
            raise RegistryError(said) from None  # the cause may spell out the password
        return client

    def check(self) -> None:
        """Ask once; RegistryError when there is no answer."""
        _ = self._client

    @classmethod
    def for_project(cls, project: Project, address: str | None = None) -> Self:
        """At the address, else at MLFLOW_TRACKING_URI, else in a file of the project's outputs."""
        address = address or os.environ.get("MLFLOW_TRACKING_URI")
        if address:
            return cls(address)
        folder = project.outputs.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        return cls(f"sqlite:///{folder / 'mlflow.db'}", folder / "mlartifacts")

    def log(
        self,
        name: str,
        fitted: Fitted,
        card_extra: Mapping[str, Any],
        *,
        params: Mapping[str, Any],
        metrics: Mapping[str, float | None],
        series: Mapping[str, Sequence[float | None]] | None = None,
        charts: Mapping[str, Chart] | None = None,
        documents: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> int:
        """Write a run with its model, register the model as the challenger; returns the version.

        Parameters
        ----------
        name : str
            `<project>.<target>`.
        card_extra : mapping
            What the card says beyond what the model needs; see `models.card.describe`.
        metrics : mapping
            Undefined ones (None, NaN) are left out.
        series : mapping
            Metrics with a value for each step.
        charts : mapping
            Altair charts by file name.
        documents : mapping
            Plain JSON by file name.
        tags : mapping
            Of the run and of the version, such as the fingerprint of the data.
        """
        tags = {k: str(v) for k, v in (tags or {}).items()}
        grade = card_extra.get("grade")
        with quiet(), tempfile.TemporaryDirectory() as folder, self._run(name, tags) as run:
            self._numbers(run, params, metrics, series or {})
            features = {"features": fitted.encoder.names}
            for document, content in {"features": features, **(documents or {})}.items():
                self._client.log_dict(run.run_id, content, f"{document}.json")
            for chart_name, chart in (charts or {}).items():
                write_chart(chart, Path(folder) / "charts", chart_name)
            if charts:
                self._client.log_artifacts(run.run_id, str(Path(folder) / "charts"), "charts")
            saved = fitted.save(Path(folder) / "model", {"name": name, **card_extra})
            model = self._upload(run, package(fitted, saved, Path(folder) / "packaged"))
            version_tags = tags | ({"grade": str(grade)} if grade else {})
            return self._register(name, model, run.run_id, version_tags)

    def _numbers(
        self,
        run: RunInfo,
        params: Mapping[str, Any],
        metrics: Mapping[str, float | None],
        series: Mapping[str, Sequence[float | None]],
    ) -> None:
        """Parameters and defined metrics, as many in a call as MLflow takes."""
        texts = [Param(key, str(value)) for key, value in params.items()]
        self._client.log_batch(run.run_id, params=texts)
        for few in batches(metrics, series):
            self._client.log_batch(run.run_id, metrics=few)

    @contextmanager
    def _run(self, name: str, tags: dict[str, str]) -> Iterator[RunInfo]:
        """A run that ends finished, or failed with the error passed on."""
        experiment = self._experiment(name.partition(".")[0])
        run = self._client.create_run(experiment, tags=tags, run_name=name).info
        status = "FAILED"
        try:
            yield run
            status = "FINISHED"
        finally:
            self._client.set_terminated(run.run_id, status)

    def _upload(self, run: RunInfo, folder: Path) -> LoggedModel:
        """The model in a folder, logged beside the run."""
        made = self._client.create_logged_model(run.experiment_id, "model", run.run_id)
        self._client.log_model_artifacts(made.model_id, str(folder))
        return self._client.finalize_logged_model(made.model_id, "READY")

    def _experiment(self, project: str) -> str:
        """The project's experiment; made when there is none."""
        found = self._client.get_experiment_by_name(project)
        if found is not None:
            return str(found.experiment_id)
        location = self._artifacts.as_uri() if self._artifacts else None
        return str(self._client.create_experiment(project, artifact_location=location))

    def _register(self, name: str, model: LoggedModel, run_id: str, tags: dict[str, str]) -> int:
        """A new version under the name, which becomes the challenger."""
        if not self._exists(name):
            self._client.create_registered_model(name)
        made = self._client.create_model_version(
            name, model.artifact_location, run_id, tags=tags, model_id=model.model_id
        )
        self._client.set_registered_model_alias(name, CHALLENGER, made.version)
        return int(made.version)

    def _exists(self, name: str) -> bool:
        try:
            self._client.get_registered_model(name)
        except MlflowException as error:
            _raise_unless_missing(error)
            return False
        return True

    def attach(self, name: str, version: int, texts: Mapping[str, str]) -> None:
        """Write texts by file name among the artifacts of a version's run."""
        with quiet():
            run_id = self._client.get_model_version(name, str(version)).run_id
            for file, text in texts.items():
                self._client.log_text(str(run_id), text, file)

    def promote(self, name: str, version: int, reason: str = "") -> None:
        """Make a version the champion as a training decides it; recorded with its reason."""
        before = self.champion_version(name)
        self.decide(name, Decision("promoted", version, before, "training", reason))

    def decide(self, name: str, decision: Decision) -> None:
        """Record a decision on a version and, where it makes a champion, point the alias at it.

        It is written first: there is no champion whose decision was not recorded. The record is a
        tag of its own on the registered model, beside the newest of each version on that version,
        so it is the same on a file and on a server, and never overwritten.
        """
        with quiet():
            self._client.set_registered_model_tag(name, *decision.as_tag())
            for version, tags in decision.version_tags().items():
                for key, value in tags.items():
                    self._client.set_model_version_tag(name, str(version), key, value)
            if decision.makes_champion:
                self._point(name, decision.version)

    def _point(self, name: str, version: int) -> None:
        """The alias of the champion; it is no longer the challenger."""
        self._client.set_registered_model_alias(name, CHAMPION, str(version))
        if self._aliased(name, CHALLENGER) == version:
            self._client.delete_registered_model_alias(name, CHALLENGER)

    def decisions(self, name: str) -> list[Decision]:
        """Every decision on versions of that name, oldest first; empty for an unknown name."""
        if not self._exists(name):
            return []
        return history(self._client.get_registered_model(name).tags)

    def champion_version(self, name: str) -> int | None:
        """Version of the champion, None without one; one small query, made to be polled."""
        return self._aliased(name, CHAMPION)

    def _aliased(self, name: str, alias: str) -> int | None:
        try:
            return int(self._client.get_model_version_by_alias(name, alias).version)
        except MlflowException as error:
            _raise_unless_missing(error)
            return None

    def champion(self, name: str) -> LoadedModel | None:
        """The champion, None without one."""
        version = self.champion_version(name)
        return None if version is None else self.load(name, version)

    def load(self, name: str, version: int) -> LoadedModel:
        """A registered version.

        Raises
        ------
        ModelNotFoundError
            No such version under that name.
        """
        try:
            found = self._client.get_model_version(name, str(version))
        except MlflowException as error:
            _raise_unless_missing(error)
            raise ModelNotFoundError(f"no version {version} of model {name!r}") from None
        with quiet(), tempfile.TemporaryDirectory() as folder:
            path = download_artifacts(
                f"{found.source}/artifacts/model",
                dst_path=folder,
                tracking_uri=self.tracking_uri,
            )
            return LoadedModel(name, int(version), PortableModel.load(path))

    def versions(self, name: str) -> list[dict[str, Any]]:
        """Every version, newest first, with created_at, aliases, grade, metrics, tags, run_id."""
        if not self._exists(name):
            return []
        aliases: dict[str, list[str]] = {}
        for alias, number in self._client.get_registered_model(name).aliases.items():
            aliases.setdefault(str(number), []).append(alias)
        unsorted = self._client.search_model_versions(f"name = '{name}'")
        found = sorted(unsorted, key=lambda v: int(v.version), reverse=True)
        return [self._row(version, aliases.get(str(version.version), [])) for version in found]

    def _row(self, version: Any, aliases: list[str]) -> dict[str, Any]:
        run = self._client.get_run(version.run_id)
        moment = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC)
        return {
            "version": int(version.version),
            "created_at": moment.replace(tzinfo=None),
            "aliases": sorted(aliases),
            "grade": version.tags.get("grade"),
            "metrics": dict(run.data.metrics),
            "tags": dict(version.tags),
            "run_id": version.run_id,
        }


def _raise_unless_missing(error: MlflowException) -> None:
    """Pass on any error but that of something that is not there."""
    if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
        raise error
