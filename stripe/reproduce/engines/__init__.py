"""Engines that execute stored runs."""
