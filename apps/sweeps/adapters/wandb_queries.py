"""The GraphQL documents that a pass sends through the official client. No I/O.

The client's own calls ask once per sweep for its agents and once per lazy run for its config; one document of
ours asks for a page of either at once. Field names are those that the client itself uses.
"""

from collections.abc import Sequence

RUNS = """
query Runs($project: String!, $entity: String!, $cursor: String, $first: Int, $order: String, $filters: JSONString) {
  project(name: $project, entityName: $entity) {
    runs(filters: $filters, after: $cursor, first: $first, order: $order) {
      edges { node {
        name displayName sweepName state config group tags notes createdAt heartbeatAt
        summaryMetrics systemMetrics user { name username }
      } }
      pageInfo { endCursor hasNextPage }
    }
  }
}
"""

RUN_IDS = """
query RunIds($project: String!, $entity: String!, $cursor: String, $first: Int, $order: String) {
  project(name: $project, entityName: $entity) {
    runs(after: $cursor, first: $first, order: $order) {
      edges { node { name } }
      pageInfo { endCursor hasNextPage }
    }
  }
}
"""

HISTORY = """
query RunHistories($project: String!, $entity: String!, $cursor: String, $first: Int, $filters: JSONString,
                   $specs: [JSONString!]!) {
  project(name: $project, entityName: $entity) {
    runs(filters: $filters, after: $cursor, first: $first) {
      edges { node { name sampledHistory(specs: $specs) } }
      pageInfo { endCursor hasNextPage }
    }
  }
}
"""

_SWEEP_FIELDS = """
      edges { node {
        name displayName method state description config createdAt updatedAt runCount runCountExpected
      } }
      pageInfo { endCursor hasNextPage }
"""
_AGENT_FIELDS = "agents { edges { node { id name host state totalRuns heartbeatAt } } }"


def sweeps_query(agents_of: int) -> str:
    """Return the document for a page of sweeps, and for the agents of so many sweeps named ``$s0``, ``$s1``, …"""
    names = "".join(f", $s{number}: String!" for number in range(agents_of))
    agents = "\n".join(
        f"    s{number}: sweep(sweepName: $s{number}) {{ {_AGENT_FIELDS} }}" for number in range(agents_of)
    )
    return f"""
query Sweeps($project: String!, $entity: String!, $cursor: String, $first: Int{names}) {{
  project(name: $project, entityName: $entity) {{
    sweeps(after: $cursor, first: $first) {{{_SWEEP_FIELDS}    }}
{agents}
  }}
}}
"""


def agent_variables(sweep_ids: Sequence[str]) -> dict[str, str]:
    """Return the variables that name the sweeps whose agents are asked for."""
    return {f"s{number}": sweep_id for number, sweep_id in enumerate(sweep_ids)}
