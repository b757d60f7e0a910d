"""Run plain sequential Python in the time of its critical path."""

from ember.core.externals import external as external
