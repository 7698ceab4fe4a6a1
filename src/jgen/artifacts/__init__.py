"""What a run leaves on the disk:

    run_directory  where everything of a run lies, and the lock that keeps a second run out
    files          files that appear whole or not at all
    checkpoint     tensors and metadata in one safetensors file
    metrics        one JSON line per epoch
    grid           images side by side, as a PNG
    video          the grids of all epochs, as an MP4
    network_drawing  networks as boxes and arrows
    figures        Matplotlib figures as PNGs
    curves         one small panel per loss term

Pure NumPy, usable without starting Jittor.
"""
