"""What the drill's DAGs are made of; imports Airflow 2.10 and 3.x alike."""
