"""A workspace: a folder with dvc.yaml, params.yaml and data/. All paths below it are defined here."""

from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
"""The project's checkout, which is also the default workspace."""

SHIPPED = ("dvc.yaml", "params.yaml", ".dvcignore", ".dvc/config")
"""The files that make a folder a workspace; a new workspace gets copies of the project's."""


@dataclass(frozen=True)
class Workspace:
    """The paths of one workspace."""

    root: Path

    def name(self, path: Path) -> str:
        """A path in the workspace as dvc.yaml and dvc.lock name it: relative, with forward slashes."""
        return path.relative_to(self.root).as_posix()

    @property
    def data(self) -> Path:
        """All data files: tracked by DVC, ignored by git."""
        return self.root / "data"

    @property
    def cache(self) -> Path:
        """DVC's cache of the data, unless its settings name another folder."""
        return self.root / ".dvc" / "cache"

    @property
    def private(self) -> tuple[Path, ...]:
        """What holds texts of people beside the cache: nobody but the owner, or the group, may read it."""
        tables = (self.database, *(self.root / f"{self.database.name}-{part}" for part in ("wal", "shm", "journal")))
        return (self.data, self.artifacts, *tables)

    @property
    def recorded(self) -> Path:
        """dvc.lock: inputs and outputs of each step by hash."""
        return self.root / "dvc.lock"

    @property
    def services(self) -> Path:
        """What the services of `rounds up` keep: Prefect's home, logs, and who runs them. In no backup."""
        return self.data / "services"

    @property
    def services_lock(self) -> Path:
        """Lock file: held by `rounds up` while its services run."""
        return self.services / ".lock"

    @property
    def services_record(self) -> Path:
        """Which process runs the services, and where they answer; it stays behind if that process is killed."""
        return self.services / "up.json"

    @property
    def services_logs(self) -> Path:
        """One log per service."""
        return self.services / "logs"

    def service_log(self, name: str) -> Path:
        """The log of a service."""
        return self.services_logs / f"{name}.log"

    @property
    def prefect_home(self) -> Path:
        """Settings, results and leases of the Prefect server of `rounds up`."""
        return self.services / "prefect"

    @property
    def prefect_database(self) -> Path:
        """Prefect's database, unless ROUNDS_POSTGRESQL names a server."""
        return self.prefect_home / "prefect.db"

    @property
    def artifacts(self) -> Path:
        """Artifacts of runs and versions if no MLflow server is configured."""
        return self.root / "mlruns"

    @property
    def database(self) -> Path:
        """MLflow's database of runs and versions if no server is configured."""
        return self.root / "mlflow.db"

    @property
    def registry_lock(self) -> Path:
        """Lock file: held while the registry changes."""
        return self.data / ".registry.lock"

    @property
    def mlflow_lock(self) -> Path:
        """Lock file: held while MLflow creates its tables."""
        return self.data / ".mlflow.lock"

    @property
    def params(self) -> Path:
        """The knobs of the next round."""
        return self.root / "params.yaml"

    @property
    def serving(self) -> Path:
        """The settings of the server; missing if it has the defaults."""
        return self.root / "serving.yaml"

    @property
    def guidelines(self) -> Path:
        """The guidelines for annotators (Markdown); missing if there are none."""
        return self.root / "guidelines.md"

    @property
    def prices(self) -> Path:
        """What the machine costs; missing if the cost of rounds is not given in money."""
        return self.root / "prices.yaml"

    @property
    def graph(self) -> Path:
        """dvc.yaml, the graph of steps: a copy of the project's."""
        return self.root / "dvc.yaml"

    @property
    def round(self) -> Path:
        """The frozen inputs of the most recently opened round."""
        return self.data / "round.yaml"

    @property
    def opened(self) -> Path:
        """When, and from which commit and code, that round was opened."""
        return self.data / "opened.json"

    @property
    def lock(self) -> Path:
        """Lock file: held by the running round."""
        return self.data / ".lock"

    @property
    def inbox(self) -> Path:
        """Feedback handed in for the next round: files as they were handed in, under names made from their content."""
        return self.data / "inbox"

    @property
    def taken(self) -> Path:
        """Inbox files that rounds have ingested."""
        return self.inbox / "taken"

    @property
    def inbox_index(self) -> Path:
        """Arrow file with the ids of the records in the inbox; it is made again if it is missing."""
        return self.data / "inbox.ids"

    @property
    def inbox_receipts(self) -> Path:
        """Which files in the inbox `rounds feedback import` put there, and what was stated of them; JSON lines."""
        return self.data / "inbox.receipts"

    @property
    def champion(self) -> Path:
        """The champion's weights, fetched when the round is opened; empty in round 0."""
        return self.data / "champion"

    @property
    def previous(self) -> Path:
        """Files of the previous round needed for comparison, copied when the round is opened."""
        return self.data / "previous"

    @property
    def previous_reward(self) -> Path:
        """The champion's reward model; missing if it was trained without one."""
        return reward(self.previous)

    @property
    def previous_samples(self) -> Path:
        """The samples of the previous round."""
        return table(self.previous / self.samples.name, "samples")

    @property
    def answers(self) -> Path:
        """Pairs of answers to be labelled."""
        return self.data / "answers" / "pairs.jsonl"

    @property
    def feedback(self) -> Path:
        """The feedback store: append-only parts and quarantine."""
        return self.data / "feedback"

    @property
    def feedback_database(self) -> Path:
        """SQLite database of single events and the labelling queue, unless ROUNDS_FEEDBACK_DATABASE names a server."""
        return self.data / "feedback.db"

    @property
    def asked(self) -> Path:
        """The files of prompts that `rounds feedback asked` wrote, and whose prompts they have."""
        return self.data / "asked.json"

    @property
    def asked_lock(self) -> Path:
        """Lock file: held while a file of prompts is recorded."""
        return self.data / ".asked.lock"

    @property
    def tombstones(self) -> Path:
        """The annotators whose feedback is forgotten, as JSON lines: lines are only ever added."""
        return self.data / "tombstones.jsonl"

    @property
    def tombstones_lock(self) -> Path:
        """Lock file: held while a tombstone is added."""
        return self.data / ".tombstones.lock"

    @property
    def identity(self) -> Path:
        """Who the workspace is: id, name and salt, written when it is made and never changed."""
        return self.data / "workspace.json"

    @property
    def line(self) -> Path:
        """The line of models that the workspace is in on a server; missing if it never used one."""
        return self.data / "line.json"

    @property
    def old_identity(self) -> Path:
        """The id of the feedback database, in workspaces from before `workspace.json` existed."""
        return self.data / "workspace-id"

    @property
    def bases(self) -> Path:
        """Base models by content: one folder per digest, and a record of each beside it."""
        return self.data / "bases"

    def base(self, digest: str) -> Path:
        """The folder of a base model: exactly the files that its digest covers."""
        return self.bases / digest

    def base_record(self, digest: str) -> Path:
        """The record of a base model: its names, where it came from, and its files."""
        return self.bases / f"{digest}.json"

    @property
    def bases_lock(self) -> Path:
        """Lock file: held while a base model is stored or removed."""
        return self.bases / ".lock"

    def imported(self, digest: str) -> Path:
        """The folder of an adapter that was imported as the first version of the policy."""
        return self.data / "imported" / digest

    @property
    def preferences(self) -> Path:
        """train, judge and holdout pairs, split by prompt group."""
        return self.data / "preferences"

    @property
    def prompts(self) -> Path:
        """Prompts to train on, and held-out ones to evaluate on."""
        return self.data / "prompts"

    @property
    def demonstrations(self) -> Path:
        """Demonstrations for supervised fine-tuning."""
        return self.data / "demonstrations"

    @property
    def votes(self) -> Path:
        """Votes on candidate against champion: append-only parts."""
        return self.data / "votes"

    @property
    def samples(self) -> Path:
        """Answers of candidate and champion to held-out prompts, with their scores."""
        return self.data / "samples"

    @property
    def sampled(self) -> Path:
        """The table of these samples."""
        return table(self.samples, "samples")

    @property
    def pairs(self) -> Path:
        """The same answers as blinded pairs, for votes."""
        return self.samples / "pairs.jsonl"

    @property
    def ballots(self) -> Path:
        """Votes that people handed in; one folder per set of pairs."""
        return self.data / "ballots"

    @property
    def waiting(self) -> Path:
        """The waits of the open round for people, with start and deadline."""
        return self.data / "waiting"

    @property
    def approvals(self) -> Path:
        """Approvals and refusals of candidates."""
        return self.data / "approvals"

    @property
    def metrics(self) -> Path:
        """Every metric of the running round as JSON lines, written before it is sent to MLflow."""
        return self.data / "metrics"

    @property
    def times(self) -> Path:
        """Durations of the steps of the running round."""
        return self.metrics / "times.json"

    @property
    def usage(self) -> Path:
        """What the steps of the running round have used: time, tokens, memory."""
        return self.metrics / "usage.json"

    @property
    def training(self) -> Path:
        """Training checkpoints, from which a killed step continues."""
        return self.data / "training"

    @property
    def rounds(self) -> Path:
        """One record per finished round."""
        return self.data / "rounds"

    @property
    def watch(self) -> Path:
        """Results of the last `watch` between rounds, and the reward model it used."""
        return self.data / "watch"

    def watched(self, what: str) -> Path:
        """A JSON file of `watch`: `watch`, `guards`, or what Prefect was sent: `told`, `rollbacks`, `announced`."""
        return self.watch / f"{what}.json"

    def watch_lock(self, what: str = "") -> Path:
        """Lock file: held while waiting feedback, or live feedback (`guards`), is checked, or files are imported."""
        return self.watch / f".{what}{'.' if what else ''}lock"

    @property
    def dashboards(self) -> Path:
        """Full drift reports; one folder per requested round."""
        return self.data / "dashboards"

    @property
    def blame(self) -> Path:
        """Results of `blame`: reward models trained with part of the feedback left out."""
        return self.data / "blame"

    @property
    def explained(self) -> Path:
        """The last explanation of a score, and the reward model it is about."""
        return self.data / "explain"

    @property
    def explanation(self) -> Path:
        """The page of the last explanation."""
        return self.explained / "explanation.html"

    @property
    def audit(self) -> Path:
        """The audit log: append-only, hash-chained."""
        return self.data / "audit.jsonl"

    def record(self, number: int) -> Path:
        """The record of a finished round."""
        return self.rounds / f"{number:05d}.json"

    def approval(self, number: int) -> Path:
        """A person's decision on the candidate of a round."""
        return self.approvals / f"{number:05d}.json"

    def wait(self, what: str) -> Path:
        """A wait of the open round, for votes or approval."""
        return self.waiting / f"{what}.json"

    @property
    def waiting_lock(self) -> Path:
        """Lock file: held while a vote or approval is stored, and while a round ends a wait."""
        return self.waiting / ".lock"

    def ballot(self, pairs_id: str, number: int) -> Path:
        """Votes that were handed in together on one set of pairs; `number` counts from 1."""
        return self.ballots / pairs_id / f"{number:05d}.jsonl"

    def blamed(self, number: int) -> Path:
        """Results of `blame` for a round."""
        return self.blame / f"round-{number:05d}"

    def blame_report(self, number: int) -> Path:
        """The attribution of a round, as JSON."""
        return self.blamed(number) / "blame.json"

    def blame_plot(self, number: int) -> Path:
        """The attribution of a round, as an image."""
        return self.blamed(number) / "blame.png"

    @property
    def blame_lock(self) -> Path:
        """Lock file: held while `blame` trains reward models."""
        return self.blame / ".lock"

    def dashboard(self, number: int) -> Path:
        """The full drift report of a round."""
        return self.dashboards / f"round-{number:05d}"

    @property
    def checkpoints(self) -> Path:
        """Weights of this round."""
        return self.data / "checkpoints"

    def checkpoint(self, name: str) -> Path:
        """Weights of this round: sft, reward, judge or policy."""
        return self.checkpoints / name

    def state(self, step: str) -> Path:
        """The training checkpoint of a step."""
        return self.training / step

    def ranks(self, step: str) -> Path:
        """What the processes of a step that trains in several have printed and reported."""
        return self.training / f"{step}.ranks"

    def sampler(self, step: str) -> Path:
        """Log of the server that samples in a step, and the adapters that it is given."""
        return self.training / f"{step}.sampler"

    @property
    def reports(self) -> Path:
        """The reports of all steps."""
        return self.data / "reports"

    def report(self, step: str) -> Path:
        """The report of a step, as JSON."""
        return self.reports / f"{step}.json"

    def reported(self, step: str) -> Path:
        """The metrics that a step reported while running, as JSON lines."""
        return reported(self.metrics, step)


def table(folder: Path, name: str) -> Path:
    """The path of a derived table in a folder."""
    return folder / f"{name}.arrow"


def reported(folder: Path, step: str) -> Path:
    """The path of a step's reported metrics in a folder of metrics."""
    return folder / f"{step}.jsonl"


def reward(folder: Path) -> Path:
    """The path of a reward model kept for comparison, in the folder it is kept in."""
    return folder / "reward"


def champion_metrics(folder: Path) -> Path:
    """The champion's metrics, in the folder of files of the previous round."""
    return folder / "champion.json"


def reference(folder: Path) -> Path:
    """The reference for drift, in the folder of files of the previous round."""
    return folder / "reference.json"
