"""Writes `docs/policies.md` from the rules: `python -m mwaa_dr_policy.document` in `policy/`."""

import json
from pathlib import Path

from mwaa_dr_policy import AREAS
from mwaa_dr_policy.options import BUCKETS
from mwaa_dr_policy.rule import EXCLUDE, Option, ResourceRule, Rule

PAGE = Path(__file__).resolve().parents[2] / "docs" / "policies.md"

_HEAD = """\
# Policies

<!-- Made by `python -m mwaa_dr_policy.document` from policy/mwaa_dr_policy. Do not edit. -->

The policy pack in `policy/` keeps an Amazon MWAA installation recoverable in another Region. It
judges any Pulumi program on AWS, not only this one: it finds resources by what they are (the
bucket that an MWAA environment loads from, the tags `mwaa-dr:object` and `mwaa-dr:site`) or by
names in its configuration, never by the names this project gives.

```sh
pulumi preview --stack primary --policy-pack policy
pulumi up --stack primary --policy-pack policy --policy-pack-config policy-config.json
pulumi policy analyze --file primary.json --policy-pack policy
```

- A **mandatory** rule stops the update. An **advisory** one warns.
- A rule of one **resource** is judged before that resource is created or updated. A rule of the
  **stack** sees all resources and how they refer to each other, in the preview and again at the
  end of the update: do not skip the preview.
- A value that only the update will know never passes a rule in silence: the rule then shows an
  advisory note which names the value, and is judged when the value is known. Where a reference is
  unknown, the resources it comes from decide.
- Some relations span the two stacks, for example the replication of the DR buckets, which the
  `primary` stack declares. Give such a rule the other stack: `pulumi stack export --stack primary
  --file primary.json`, then `otherStack` below. Without it a bucket with the tag `mwaa-dr:site` =
  `dr` is left open with a note.

Configuration is a JSON file, by rule:

```json
{
  "mwaa-dr-bucket-replicated": {"otherStack": "primary.json"},
  "mwaa-dr-backup-retention": {"retentionDays": 35},
  "mwaa-dr-environment-key": {"enforcementLevel": "mandatory"},
  "mwaa-dr-alarm-subscribed": "disabled"
}
```

Every rule also takes `enforcementLevel` (mandatory, advisory, disabled) and `exclude`, a list of
logical names of resources that it leaves alone. Where a rule says so, it takes these as well:

{shared}
"""


def render() -> str:
    """The page."""
    shared = "\n".join(_option(option) for option in BUCKETS)
    parts = [_HEAD.replace("{shared}", shared), _table()]
    for area, rules in AREAS.items():
        parts.append(f"## {area}\n")
        parts.extend(_section(rule) for rule in rules)
    return "\n".join(parts)


def _table() -> str:
    rows = ["| rule | severity | level | judged on |", "|---|---|---|---|"]
    rows.extend(
        f"| [{rule.name}](#{rule.name}) | {rule.severity} | {_level(rule)} | {_scope(rule)} |"
        for rules in AREAS.values()
        for rule in rules
    )
    return "\n".join(rows) + "\n"


def _section(rule: Rule) -> str:
    lines = [
        f"### {rule.name}\n",
        f"{rule.description} ({rule.severity}, {_level(rule)})\n",
        f"- **Why**: {rule.why}",
        f"- **How to mend it**: {rule.remedy}",
    ]
    lines.extend(
        _option(option)
        for option in rule.all_options
        if option is not EXCLUDE and option not in BUCKETS
    )
    shared = [f"`{option.key}`" for option in rule.options if option in BUCKETS]
    if shared:
        lines.append(f"- Takes {', '.join(shared)}")
    return "\n".join(lines) + "\n"


def _option(option: Option) -> str:
    return f"- `{option.key}` (default `{json.dumps(option.default)}`): {option.description}"


def _level(rule: Rule) -> str:
    return "advisory" if rule.advisory else "mandatory"


def _scope(rule: Rule) -> str:
    return "resource" if isinstance(rule, ResourceRule) else "stack"


def main() -> None:
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(render())


if __name__ == "__main__":
    main()
