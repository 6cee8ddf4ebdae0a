{#
    A float in billionths, as a whole number rounded half away from zero (DuckDB only). DuckDB's cast
    to a decimal multiplies in floating point: of an amount like 12.3 million it gets the eighth and ninth decimals
    wrong. Here every step is exact, at every magnitude:

    - trunc(x), and what is left of x, are floats again.
    - A float has 53 bits. What is left is either below 2^-31, less than half a billionth, or a multiple
      of 2^-83, so that 2^83 times it is a whole number, below 2^83.
    - Times 10^9 that is below 2^113; a HUGEINT has 127 bits. The shift by 83 bits after adding 2^82 is
      the division that rounds half up, and of the absolute value, half away from zero.

    On 2 million rows 4 times DuckDB's cast, 0.04 microseconds a row; by text, printf('%.40f', x),
    which would be exact too, more than 100 times that.
#}
{% macro nanos_of_float(x) -%}
    (
        cast(trunc({{ x }}) as hugeint) * 1000000000
        + cast(sign({{ x }}) as hugeint) * (
            (
                cast(abs({{ x }} - trunc({{ x }})) * power(2, 83) as hugeint) * 1000000000
                + (cast(1 as hugeint) << 82)
            ) >> 83
        )
    )
{%- endmacro %}
