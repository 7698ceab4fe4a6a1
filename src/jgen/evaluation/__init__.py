"""Numbers about a finished run, each with its protocol.

    classifier            the independent classifier: its network, its shipped weights, labels and features
    classifier_training   how these weights were made
"""
