"""Draws a CloudWatch dashboard as CloudWatch would: from its own body and from GetMetricData."""
