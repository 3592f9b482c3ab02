"""The paper as data: cells, tables, figures, claims, scales."""
