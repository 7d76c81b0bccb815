SELECT
  "t9"."customer_id",
  "t9"."interval",
  "t9"."shown",
  COUNT(CASE WHEN "t9"."event" = 'login' THEN 1 ELSE CAST(NULL AS TINYINT) END) AS "n_login",
  SUM(CASE WHEN "t9"."event" = 'login' THEN "t9"."quantity" ELSE NULL END) AS "q_login",
  COUNT(CASE WHEN "t9"."event" = 'report' THEN 1 ELSE CAST(NULL AS TINYINT) END) AS "n_report",
  SUM(CASE WHEN "t9"."event" = 'report' THEN "t9"."quantity" ELSE NULL END) AS "q_report",
  COUNT(CASE WHEN "t9"."event" = 'export' THEN 1 ELSE CAST(NULL AS TINYINT) END) AS "n_export",
  SUM(CASE WHEN "t9"."event" = 'export' THEN "t9"."quantity" ELSE NULL END) AS "q_export",
  COUNT(CASE WHEN "t9"."event" = 'api_call' THEN 1 ELSE CAST(NULL AS TINYINT) END) AS "n_api_call",
  SUM(CASE WHEN "t9"."event" = 'api_call' THEN "t9"."quantity" ELSE NULL END) AS "q_api_call",
  COUNT(CASE WHEN "t9"."occurred_at" IS NOT NULL THEN 1 ELSE CAST(NULL AS TINYINT) END) AS "n_all",
  SUM("t9"."quantity") AS "q_all",
  COUNT(CASE WHEN "t9"."quantity" > 10 THEN 1 ELSE CAST(NULL AS TINYINT) END) AS "n_large",
  COUNT(CASE WHEN "t9"."user_id" = 'u1' THEN 1 ELSE CAST(NULL AS TINYINT) END) AS "n_first_user"
FROM (
  SELECT
    "t8"."customer_id",
    "t8"."occurred_at",
    "t8"."known_at",
    "t8"."event",
    "t8"."quantity",
    "t8"."user_id",
    "t8"."at_unit",
    "t8"."known_unit",
    "t8"."interval",
    "t8"."at_shown",
    "t8"."known_unit_right",
    "t8"."known_shown",
    GREATEST("t8"."at_shown", COALESCE("t8"."known_shown", 0)) AS "shown"
  FROM (
    SELECT
      "t7"."customer_id",
      "t7"."occurred_at",
      "t7"."known_at",
      "t7"."event",
      "t7"."quantity",
      "t7"."user_id",
      "t7"."at_unit",
      "t7"."known_unit",
      "t4"."interval",
      "t4"."at_shown",
      "t5"."known_unit" AS "known_unit_right",
      "t5"."known_shown"
    FROM (
      SELECT
        "t0"."customer_id",
        "t0"."occurred_at",
        "t0"."known_at",
        "t0"."event",
        "t0"."quantity",
        "t0"."user_id",
        DATE_TRUNC('DAY', "t0"."occurred_at") AS "at_unit",
        CASE
          WHEN "t0"."known_at" > "t0"."occurred_at"
          THEN DATE_TRUNC('DAY', "t0"."known_at")
          ELSE CAST(NULL AS TIMESTAMP(6))
        END AS "known_unit"
      FROM "ibis_read_parquet_hjx34f5anjfo5jb424iy2nwfna" AS "t0"
      WHERE
        "t0"."occurred_at" < MAKE_TIMESTAMP(2026, 10, 27, 0, 0, 0.0)
        AND "t0"."known_at" < MAKE_TIMESTAMP(2026, 10, 27, 0, 0, 0.0)
    ) AS "t7"
    INNER JOIN (
      SELECT
        "t1"."unit" AS "at_unit",
        "t1"."interval",
        "t1"."shown" AS "at_shown"
      FROM "ibis_pyarrow_memtable_kunp2shk55exdmsowynzv6ev4u" AS "t1"
    ) AS "t4"
      ON "t7"."at_unit" = "t4"."at_unit"
    LEFT OUTER JOIN (
      SELECT
        "t1"."unit" AS "known_unit",
        "t1"."shown" AS "known_shown"
      FROM "ibis_pyarrow_memtable_kunp2shk55exdmsowynzv6ev4u" AS "t1"
    ) AS "t5"
      ON "t7"."known_unit" = "t5"."known_unit"
  ) AS "t8"
) AS "t9"
GROUP BY
  1,
  2,
  3
