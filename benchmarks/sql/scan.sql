SELECT
  "t14"."customer",
  "t14"."interval",
  "t14"."shown",
  COUNT(CASE WHEN "t14"."event" = 'login' THEN 1 ELSE CAST(NULL AS TINYINT) END) AS "n_login",
  SUM(CASE WHEN "t14"."event" = 'login' THEN "t14"."quantity" ELSE NULL END) AS "q_login",
  COUNT(CASE WHEN "t14"."event" = 'report' THEN 1 ELSE CAST(NULL AS TINYINT) END) AS "n_report",
  SUM(CASE WHEN "t14"."event" = 'report' THEN "t14"."quantity" ELSE NULL END) AS "q_report",
  COUNT(CASE WHEN "t14"."event" = 'export' THEN 1 ELSE CAST(NULL AS TINYINT) END) AS "n_export",
  SUM(CASE WHEN "t14"."event" = 'export' THEN "t14"."quantity" ELSE NULL END) AS "q_export",
  COUNT(CASE WHEN "t14"."event" = 'api_call' THEN 1 ELSE CAST(NULL AS TINYINT) END) AS "n_api_call",
  SUM(CASE WHEN "t14"."event" = 'api_call' THEN "t14"."quantity" ELSE NULL END) AS "q_api_call",
  COUNT(CASE WHEN "t14"."occurred_at" IS NOT NULL THEN 1 ELSE CAST(NULL AS TINYINT) END) AS "n_all",
  SUM("t14"."quantity") AS "q_all",
  COUNT(CASE WHEN "t14"."quantity" > 10 THEN 1 ELSE CAST(NULL AS TINYINT) END) AS "n_large",
  COUNT(CASE WHEN "t14"."user_id" = 'u1' THEN 1 ELSE CAST(NULL AS TINYINT) END) AS "n_first_user"
FROM (
  SELECT
    "t13"."customer_id",
    "t13"."occurred_at",
    "t13"."known_at",
    "t13"."event",
    "t13"."quantity",
    "t13"."user_id",
    "t13"."at_unit",
    "t13"."interval",
    GREATEST("t13"."shown", COALESCE("t13"."known_shown", 0)) AS "shown",
    "t13"."day",
    "t13"."day_bit",
    "t13"."customer",
    "t13"."known_unit",
    "t13"."known_unit_right",
    "t13"."known_shown"
  FROM (
    SELECT
      "t12"."customer_id",
      "t12"."occurred_at",
      "t12"."known_at",
      "t12"."event",
      "t12"."quantity",
      "t12"."user_id",
      "t12"."at_unit",
      "t12"."interval",
      "t12"."shown",
      "t12"."day",
      "t12"."day_bit",
      "t12"."customer",
      "t12"."known_unit",
      "t6"."known_unit" AS "known_unit_right",
      "t6"."known_shown"
    FROM (
      SELECT
        "t10"."customer_id",
        "t10"."occurred_at",
        "t10"."known_at",
        "t10"."event",
        "t10"."quantity",
        "t10"."user_id",
        "t10"."at_unit",
        "t10"."interval",
        "t10"."shown",
        "t10"."day",
        "t10"."day_bit",
        "t10"."customer",
        CASE
          WHEN "t10"."known_at" > "t10"."occurred_at"
          THEN DATE_TRUNC('DAY', "t10"."known_at")
          ELSE CAST(NULL AS TIMESTAMP(6))
        END AS "known_unit"
      FROM (
        SELECT
          "t9"."customer_id",
          "t9"."occurred_at",
          "t9"."known_at",
          "t9"."event",
          "t9"."quantity",
          "t9"."user_id",
          "t9"."at_unit",
          "t7"."interval",
          "t7"."shown",
          "t7"."day",
          "t7"."day_bit",
          "t3"."customer"
        FROM (
          SELECT
            "t1"."customer_id",
            "t1"."occurred_at",
            "t1"."known_at",
            "t1"."event",
            "t1"."quantity",
            "t1"."user_id",
            DATE_TRUNC('DAY', "t1"."occurred_at") AS "at_unit"
          FROM "ibis_read_parquet_jz4ddlulkrd7rnpvu2qmn2wqe4" AS "t1"
          WHERE
            "t1"."occurred_at" < MAKE_TIMESTAMP(2026, 10, 27, 0, 0, 0.0)
            AND "t1"."known_at" < MAKE_TIMESTAMP(2026, 10, 27, 0, 0, 0.0)
        ) AS "t9"
        INNER JOIN (
          SELECT
            "t0"."unit" AS "at_unit",
            "t0"."interval",
            "t0"."shown",
            "t0"."day",
            "t0"."day_bit"
          FROM "ibis_pyarrow_memtable_m35v6onsengjncpbqtsxahtrl4" AS "t0"
        ) AS "t7"
          ON "t9"."at_unit" = "t7"."at_unit"
        INNER JOIN "ibis_pyarrow_memtable_gi65vijgczgxlon47szd6q3c7e" AS "t3"
          ON "t9"."customer_id" = "t3"."customer_id"
      ) AS "t10"
    ) AS "t12"
    LEFT OUTER JOIN (
      SELECT
        "t0"."unit" AS "known_unit",
        "t0"."shown" AS "known_shown"
      FROM "ibis_pyarrow_memtable_m35v6onsengjncpbqtsxahtrl4" AS "t0"
    ) AS "t6"
      ON "t12"."known_unit" = "t6"."known_unit"
  ) AS "t13"
) AS "t14"
GROUP BY
  1,
  2,
  3
