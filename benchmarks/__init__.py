"""What PEMS reaches, measured: `python -m benchmarks short|full|<name>...`; see benchmarks/README.md."""
