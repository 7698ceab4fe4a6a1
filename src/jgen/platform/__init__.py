"""Platform: starting Jittor, CPU and GPU, process, files."""
