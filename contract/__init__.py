"""Facts that every part of the system must agree on.

Infrastructure, handlers, DAGs, the operator's command and the tests import this package and
nothing else of each other. It has no dependencies, so that it can be shipped unchanged inside a
Lambda archive and inside a DAG folder.
"""
