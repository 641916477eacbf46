"""The files of an evidence archive, and the headings of two frameworks under which an auditor looks for them.

Only headings that certainly apply are named: of NIST AI 600-1 (July 2024) the four primary considerations and the
twelve risks of section 2, of ISO/IEC 42001:2023 the objectives and controls of Annex A. A file under a heading is
evidence for it; this claims no compliance with either framework.
"""

from typing import NamedTuple

CONSIDERATIONS = ("Governance", "Pre-Deployment Testing", "Content Provenance", "Incident Disclosure")

RISKS = (
    "2.1 CBRN Information or Capabilities",
    "2.2 Confabulation",
    "2.3 Dangerous, Violent, or Hateful Content",
    "2.4 Data Privacy",
    "2.5 Environmental Impacts",
    "2.6 Harmful Bias and Homogenization",
    "2.7 Human-AI Configuration",
    "2.8 Information Integrity",
    "2.9 Information Security",
    "2.10 Intellectual Property",
    "2.11 Obscene, Degrading, and/or Abusive Content",
    "2.12 Value Chain and Component Integration",
)

OBJECTIVES = (
    "A.2 Policies related to AI",
    "A.3 Internal organization",
    "A.4 Resources for AI systems",
    "A.5 Assessing impacts of AI systems",
    "A.6 AI system life cycle",
    "A.7 Data for AI systems",
    "A.8 Information for interested parties of AI systems",
    "A.9 Use of AI systems",
    "A.10 Third-party and customer relationships",
)

CONTROLS = {
    "A.3.3": "Reporting of concerns",
    "A.6.2.3": "Documentation of AI system design and development",
    "A.6.2.4": "AI system verification and validation",
    "A.6.2.5": "AI system deployment",
    "A.6.2.6": "AI system operation and monitoring",
    "A.6.2.7": "AI system technical documentation",
    "A.6.2.8": "AI system recording of event logs",
    "A.7.2": "Data for development and enhancement of AI system",
    "A.7.3": "Acquisition of data",
    "A.7.4": "Quality of data for AI systems",
    "A.7.5": "Data provenance",
    "A.7.6": "Data preparation",
    "A.8.2": "System documentation and information for users",
    "A.8.4": "Communication of incidents",
}


class EvidencePart(NamedTuple):
    """One file of the archive: a kind of evidence."""

    path: str
    what: str
    nist: tuple[str, ...]
    """Headings: a consideration, or a risk by its number."""
    iso: tuple[str, ...]
    """Controls of Annex A, by number."""
    absent: str
    """What the index says if the file is missing."""


TESTING, GOVERNANCE, PROVENANCE, INCIDENTS = (
    "Pre-Deployment Testing",
    "Governance",
    "Content Provenance",
    "Incident Disclosure",
)

PARTS = (
    EvidencePart(
        "model-card.md",
        "what the policy is, its limits, gates, numbers, slices, data and lineage",
        (GOVERNANCE, TESTING, "2.6"),
        ("A.6.2.7", "A.8.2"),
        "no model card was logged with the round",
    ),
    EvidencePart(
        "reward-card.md",
        "the same for the reward model that it was trained against",
        (TESTING,),
        ("A.6.2.7",),
        "no card of a reward model: the version was trained without one, or none was logged",
    ),
    EvidencePart(
        "data-card.md",
        "sources, licences, consents, kinds, parts and quality of the feedback",
        ("2.4", "2.10", "2.12"),
        ("A.7.2", "A.7.3", "A.7.4", "A.7.5"),
        "no data card was logged with the round",
    ),
    EvidencePart(
        "lineage.txt",
        "run, round, commit, data, feedback and votes as a tree; annotators by number",
        (PROVENANCE, "2.12"),
        ("A.7.5", "A.6.2.3"),
        "no lineage",
    ),
    EvidencePart("lineage.json", "the same as JSON", (PROVENANCE, "2.12"), ("A.7.5", "A.6.2.3"), "no lineage"),
    EvidencePart(
        "gates.json",
        "the verdict: the result of each gate, with its reason and numbers",
        (GOVERNANCE, TESTING),
        ("A.6.2.4", "A.6.2.5"),
        "no gate has judged the version: it is the first of its registry, or its report is missing",
    ),
    EvidencePart("metrics.json", "every final metric of the round", (TESTING,), ("A.6.2.4",), "no metrics"),
    EvidencePart(
        "evaluation.json",
        "the report of the evaluation: metrics, examples, calibration",
        (TESTING, "2.6"),
        ("A.6.2.4",),
        "no evaluation: there was no champion to compare it with",
    ),
    EvidencePart(
        "red-team.json",
        "each red-team prompt, the answers of version and previous champion (400 characters), and which are harmful",
        (TESTING, "2.3", "2.9", "2.11"),
        ("A.6.2.4",),
        "no red-team results: it answered no red-team prompts",
    ),
    EvidencePart(
        "adversarial.json",
        "each adversarial pair with the margins of its reward model and of the champion's",
        (TESTING, "2.9"),
        ("A.6.2.4",),
        "no adversarial results: its reward model was not tested on adversarial pairs",
    ),
    EvidencePart(
        "drift.json",
        "drift relative to the training data of the previous champion",
        (TESTING,),
        ("A.6.2.6", "A.7.4"),
        "no drift report: there was no earlier champion to compare with",
    ),
    EvidencePart(
        "round.yaml",
        "the frozen inputs of the round: every knob, champion, base model, seeds",
        (PROVENANCE, "2.12"),
        ("A.6.2.3",),
        "the frozen inputs of the round are missing",
    ),
    EvidencePart(
        "opened.json",
        "when the round was opened, with which code and commit",
        (PROVENANCE, "2.12"),
        ("A.6.2.3",),
        "the commit with which the round was opened is not on record",
    ),
    EvidencePart(
        "dvc.lock",
        "the hashes of all inputs and outputs of each step",
        (PROVENANCE, "2.12"),
        ("A.7.5", "A.7.6"),
        "the hashes of the round's data are missing",
    ),
    EvidencePart(
        "registry.json",
        "the version as registered: digest of its weights, tags, time",
        (PROVENANCE, "2.12"),
        ("A.6.2.5",),
        "it is not registered",
    ),
    EvidencePart(
        "promotions.json",
        "each time that it became champion or was replaced, from the journal in MLflow",
        (GOVERNANCE,),
        ("A.6.2.5", "A.6.2.8"),
        "it has never been champion",
    ),
    EvidencePart(
        "approvals.jsonl",
        "who approved or refused it, when and why: lines of the audit log",
        (GOVERNANCE, "2.7"),
        ("A.6.2.5",),
        "no approval: nobody has approved or refused it, or the audit log is not in this workspace",
    ),
    EvidencePart(
        "incidents.jsonl",
        "incidents about it: lines of the audit log",
        (INCIDENTS,),
        ("A.8.4", "A.3.3"),
        "no incident on record, or the audit log is not in this workspace",
    ),
    EvidencePart(
        "audit.jsonl",
        "every line of the audit log about it, byte for byte",
        (GOVERNANCE,),
        ("A.6.2.8",),
        "no line of the audit log: none is about it, or the log is not in this workspace",
    ),
    EvidencePart(
        "audit-verification.json",
        "result of the verification of the whole log, a chain of hashes",
        (GOVERNANCE, "2.9"),
        ("A.6.2.8",),
        "the audit log was not verified: it is not in this workspace",
    ),
)


def numbered(heading: str) -> str:
    """The number of a heading: 2.3 for `2.3 Dangerous, …`."""
    return heading.partition(" ")[0]


def title(heading: str) -> str:
    """A heading of NIST AI 600-1 in full, from a consideration or the number of a risk."""
    return next((risk for risk in RISKS if numbered(risk) == heading), heading)
