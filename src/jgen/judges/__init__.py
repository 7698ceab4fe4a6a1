"""Judges: classifiers that label and compare images independently of the models.

network      two architectures
degrade      training images as generators make them: blurred, faint, noisy, thick, thin, averaged
training     src/train_classifier.py
classifier   trained judges, those that come with the package (weights/) or others, at work
"""
