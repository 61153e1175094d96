"""What a site's recovery DAGs do, as plain functions: the DAG files only schedule them."""
