"""Learns codecs and dynamics from datasets."""
