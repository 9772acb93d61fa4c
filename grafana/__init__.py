"""Grafana's dashboards and alert rules as code, and the checks and pictures of them."""
