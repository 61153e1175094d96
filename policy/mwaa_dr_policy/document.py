"""Writes `docs/policies.md` from the rules: `python -m mwaa_dr_policy.document` in `policy/`."""

import json
from pathlib import Path

from mwaa_dr_policy import AREAS, exceptions
from mwaa_dr_policy.options import BUCKETS
from mwaa_dr_policy.rule import EXCEPTIONS, Option, ResourceRule, Rule, SiteRule, StackRule
from mwaa_dr_policy.unguarded import UNGUARDED, Unguarded

PAGE = Path(__file__).resolve().parents[2] / "docs" / "policies.md"

_HEAD = """\
# Policies

<!-- Made by `python -m mwaa_dr_policy.document` from policy/mwaa_dr_policy. Do not edit. -->

The policy pack in `policy/` keeps an Amazon MWAA installation recoverable in another Region. It
judges any Pulumi program on AWS, in any language, not only this one: it finds resources by what
they are (the bucket that an MWAA environment loads from, the tags `mwaa-dr:object` and
`mwaa-dr:site`, a state machine that calls MWAA) or by names in its configuration, never by the
names this project gives. What recovers nothing is left alone: a program may have other functions,
buckets and state machines.

```sh
make preview                                                   # both stacks, on this machine
pulumi preview --stack primary --policy-pack policy
pulumi up --stack primary --policy-pack policy --policy-pack-config policy-config.json
pulumi policy analyze --file primary.json --policy-pack policy # an exported state
```

`make preview` previews both stacks against the local AWS with each other at hand, writes
`build/preview/report.md` and fails where a mandatory rule is broken. A pull request runs it too
(`.github/workflows/checks.yml`) and shows the report. `pulumi policy analyze` judges what is
deployed, without the program: `pulumi stack export --show-secrets --file primary.json` writes it.
Without `--show-secrets` the Airflow options are hidden, and rules that need them say so in a note.
A state also lists what the program only reads (`external`), and `analyze` judges it as if it were
made there. A preview does not; leave it out where things exist already:

```sh
pulumi stack export --show-secrets --stack primary |
  jq 'del(.deployment.resources[] | select(.external))' > primary.json
```

- A **mandatory** rule stops the update. An **advisory** one warns. `enforcementLevel` in a rule's
  configuration changes that.
- **remediate**: rules that can mend what they find without risk (they say so below) do it when
  their `enforcementLevel` is `remediate`; the preview shows the change. Without that nothing is
  mended, since a program should say what it deploys.
- A rule of one **resource** is judged before that resource is created or updated. A rule of the
  **stack** sees all resources and how they refer to each other, in the preview and again at the
  end of the update: do not skip the preview.
- A value that only the update will know never passes a rule in silence: the rule then shows an
  advisory note which names the value, and is judged when the value is known. Where a reference is
  unknown, the resources it comes from decide.
- Some relations span the two stacks, for example the replication of the DR buckets, which the
  `primary` stack declares, or a passive environment and its primary one. Give such a rule the other
  stack as `otherStack`: a file that `pulumi stack export` or `pulumi preview --json` wrote. Without
  it a bucket with the tag `mwaa-dr:site` = `dr` is left open with a note.

## Configuration

A JSON file, by rule:

```json
{
  "mwaa-dr-bucket-replicated": {"otherStack": "primary.json"},
  "mwaa-dr-backup-retention": {"retentionDays": 35},
  "mwaa-dr-environment-key": {"enforcementLevel": "mandatory"},
  "mwaa-dr-log-kept": {"enforcementLevel": "remediate", "days": 180}
}
```

A pack cannot read a stack's own configuration. `PYTHONPATH=policy:. python -m
mwaa_dr_policy.stack_config Pulumi.dr.yaml --other-stack primary.json` writes this file from the
settings: objectives, strategy, retention and the like are then those of the stack. `make preview`
does that for both stacks and puts `policy-config.json` of the project over the result, if there is
one. A rule, a key or an exception that does not exist or is not whole is refused by its name before
anything is judged; only where a rule's name is unknown and has no `enforcementLevel`, Pulumi itself
is first, with `invalid enforcement level ""`.

Every rule takes `enforcementLevel` (mandatory, advisory, disabled) and `exceptions`. Where a rule
says so, it takes these as well:

{shared}

### Exceptions

```json
{
  "mwaa-dr-bucket-versioned": {
    "exceptions": [
      {
        "resource": "scratch-dags",
        "reason": "replaced by the new bucket in March, ticket 4711",
        "until": "2027-03-31"
      }
    ]
  }
}
```

An exception names one resource of the program, says why (at least {reason} characters) and ends: it
holds until the end of the day `until` (UTC), which may be {days} days ahead at most. When it is
over, or would last longer, it excuses nothing, and the violation says so. mwaa-dr-exception-current
warns {soon} days before the end, and of an exception that nothing needs any more. This project's
own stacks need none.
"""

_TIME = """\
## What it costs

On this project's own stacks the pack adds **{added} s** to a preview of `dr` and **{other} s** to
one of `primary`, which take 5.5 and 6.5 s without it: the median of {runs} pairs of previews, with
and without the pack, taken in turns in one run of `python -m bench.policy` on two cores (single
pairs differed by 1.0 to 2.2 s). The limit is 3 s. Most of it is the start of the pack's own
process: over the protocol all rules together take 0.4 s.
"""

_UNGUARDED = """\
## What no rule guards

A test removes every resource of both stacks, takes its protection away and breaks each of its
properties. What no rule objects to is in this table, and nothing else is.

| resources | properties | why that is accepted |
|---|---|---|
"""

_MEASURED = {"added": "1.3", "other": "1.3", "runs": "5"}
"""What `python -m bench.policy --pairs 5` said on 26 November 2026."""


def render() -> str:
    """The page."""
    shared = "\n".join(_option(option) for option in BUCKETS)
    numbers = {
        "{shared}": shared,
        "{reason}": str(exceptions.LEAST_REASON),
        "{days}": str(exceptions.MAX_DAYS),
        "{soon}": str(exceptions.SOON_DAYS),
    }
    head = _HEAD
    for name, value in numbers.items():
        head = head.replace(name, value)
    parts = [head, "## Rules\n", _table()]
    for area, rules in AREAS.items():
        parts.append(f"## {area}\n")
        parts.extend(_section(rule) for rule in rules)
    parts += [_UNGUARDED + "\n".join(_unguarded(row) for row in UNGUARDED) + "\n"]
    parts += [_TIME.format(**_MEASURED)]
    return "\n".join(parts)


def _unguarded(row: Unguarded) -> str:
    kinds = ", ".join("any" if kind == "*" else kind for kind in row.kinds)
    if row.names != ("*",):
        kinds += f" ({', '.join(f'`{name}`' for name in row.names)})"
    paths = ", ".join(f"`{path.replace('~', '.')}`" for path in row.paths)
    return f"| {kinds} | {paths} | {row.why} |"


def _table() -> str:
    rows = ["| rule | severity | level | judged on |", "|---|---|---|---|"]
    rows.extend(
        f"| [{rule.name}](#{rule.name}) | {rule.severity} | {rule.level} | {_scope(rule)} |"
        for rules in AREAS.values()
        for rule in rules
    )
    return "\n".join(rows) + "\n"


def _section(rule: Rule) -> str:
    lines = [
        f"### {rule.name}\n",
        f"{rule.description} ({rule.severity}, {rule.level})\n",
        f"- **Why**: {rule.why}",
        f"- **How to mend it**: {rule.remedy}",
    ]
    if isinstance(rule, ResourceRule) and rule.mend:
        lines.append("- With `enforcementLevel` = `remediate` it is mended in the update")
    lines.extend(
        _option(option)
        for option in rule.all_options
        if option is not EXCEPTIONS and option not in BUCKETS
    )
    shared = [f"`{option.key}`" for option in rule.options if option in BUCKETS]
    if shared:
        lines.append(f"- Takes {', '.join(shared)}")
    return "\n".join(lines) + "\n"


def _option(option: Option) -> str:
    return f"- `{option.key}` (default `{json.dumps(option.default)}`): {option.description}"


def _scope(rule: Rule) -> str:
    scopes = {ResourceRule: "resource", StackRule: "stack", SiteRule: "program"}
    return next((name for kind, name in scopes.items() if isinstance(rule, kind)), "exceptions")


def main() -> None:
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(render())


if __name__ == "__main__":
    main()
