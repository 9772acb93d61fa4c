"""Tests of metrics, of the way to InfluxDB and back, of Grafana's dashboards and of alerts."""
