"""Jobs that run on several machines by Apache Spark, and the parts that they and one machine have in common."""
