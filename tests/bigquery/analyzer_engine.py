"""Google's analyzer (ZetaSQL as WebAssembly), with the language set to what BigQuery accepts."""

from __future__ import annotations

import ctypes
import os
import sys
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import wasmtime
from zetasql.core import wasm_client
from zetasql.core.exceptions import ServerError
from zetasql.wasi import get_wasm_path
from zetasql.wasi._pb2.zetasql.local_service import local_service_pb2 as service
from zetasql.wasi._pb2.zetasql.proto import options_pb2, simple_catalog_pb2
from zetasql.wasi._pb2.zetasql.public import options_pb2 as language_pb2
from zetasql.wasi._pb2.zetasql.public import type_pb2

# Features of the ZetaSQL language that BigQuery does not have: a statement that needs one of
# them is to be refused. A name that ends in an underscore stands for all that begin with it.
NOT_IN_BIGQUERY = (
    "ADDITIONAL_DATE_TIME_FUNCTIONS",
    "AGGREGATE_FILTERING",
    "ALLOW_SLASH_PATHS",
    "ARRAY_AGGREGATION_FUNCTIONS",
    "ARRAY_EQUALITY",
    "ARRAY_FIND_FUNCTIONS",
    "ARRAY_ORDERING",
    "ARRAY_ZIP",
    "CAST_DIFFERENT_ARRAY_TYPES",
    "CHECK_CONSTRAINT",
    "CONCAT_MIXED_TYPES",
    "DML_RETURNING",
    "FOR_UPDATE",
    "GENERATED_",
    "IDENTITY_COLUMNS",
    "INLINE_LAMBDA_ARGUMENT",
    "INSERT_ON_CONFLICT_CLAUSE",
    "JSON_TYPE_COMPARISON",
    "LATERAL_JOIN",
    "LIMIT_OFFSET_EXPRESSIONS",
    "LITERAL_CONCATENATION",
    "MULTILEVEL_AGGREGATION",
    "NULLIFZERO_ZEROIFNULL",
    "PIPE_",
    "STRUCT_POSITIONAL_ACCESSOR",
    "TIMESTAMP_NANOS",
    "TIMESTAMP_PICOS",
    "TIMESTAMP_PRECISION",
    "UNNEST_AND_FLATTEN_ARRAYS",
    "UUID_TYPE",
)
# Features BigQuery has although ZetaSQL does not count them to its ideal language.
ONLY_IN_BIGQUERY = ("ALTER_COLUMN_SET_DATA_TYPE",)

SYSTEM_VARIABLES = {
    "row_count": "INT64",
    "current_job_id": "STRING",
    "project_id": "STRING",
    "dataset_id": "STRING",
    "dataset_project_id": "STRING",
    "time_zone": "STRING",
    "query_label": "STRING",
    "session_id": "STRING",
    "script.job_id": "STRING",
    "script.bytes_processed": "INT64",
    "error.message": "STRING",
    "error.statement_text": "STRING",
    "error.formatted_stack_trace": "STRING",
}

# Options of tables, views, schemas and columns; any other is refused.
OPTIONS = {
    "default_partition_expiration_days": "FLOAT64",
    "default_rounding_mode": "STRING",
    "default_table_expiration_days": "FLOAT64",
    "description": "STRING",
    "enable_refresh": "BOOL",
    "expiration_timestamp": "TIMESTAMP",
    "friendly_name": "STRING",
    "kms_key_name": "STRING",
    "labels": "ARRAY<STRUCT<STRING, STRING>>",
    "location": "STRING",
    "max_time_travel_hours": "INT64",
    "partition_expiration_days": "FLOAT64",
    "refresh_interval_minutes": "FLOAT64",
    "require_partition_filter": "BOOL",
    "tags": "ARRAY<STRUCT<STRING, STRING>>",
}

PSEUDO_COLUMNS = {"_PARTITIONTIME": "TIMESTAMP", "_PARTITIONDATE": "DATE"}

# BigQuery's other names for INT64, which ZetaSQL lacks.
INT64_ALIASES = ("INT", "SMALLINT", "INTEGER", "BIGINT", "TINYINT", "BYTEINT")


KEPT_CATALOGS = 32
KEPT_TEXTS = 512


class Refused(Exception):
    """BigQuery would not take this statement; the message reports why."""


class _CachedModule:
    """Stands in for wasmtime.Module: compiles once, which takes 17 s, and then loads in 2 ms."""

    @staticmethod
    def from_file(engine: wasmtime.Engine, path: str) -> wasmtime.Module:
        cache = Path(sys.prefix) / f"zetasql-wasmtime-{version('wasmtime')}.cwasm"
        if cache.exists():
            try:
                return wasmtime.Module.deserialize_file(engine, str(cache))
            except wasmtime.WasmtimeError:
                # Compiled for another processor: make it anew.
                cache.unlink()
        module = wasmtime.Module.from_file(engine, path)
        fresh = cache.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(module.serialize())
        fresh.replace(cache)
        return module


class _Client(wasm_client.WasmClient):  # type: ignore[misc]
    """The package's client, without its copying of memory byte by byte in Python."""

    def _address(self, pointer: int) -> int:
        return ctypes.addressof(self.memory.data_ptr().contents) + pointer

    def read_bytes(self, ptr: int, size: int) -> bytes:
        return ctypes.string_at(self._address(ptr), size)

    def write_bytes(self, ptr: int, data: bytes) -> None:
        ctypes.memmove(self._address(ptr), data, len(data))


class Engine:
    """Parses and analyzes single statements against a catalog."""

    def __init__(self) -> None:
        wasm_client.Module = _CachedModule
        self._client = _Client(str(get_wasm_path()))
        self._catalogs: OrderedDict[Any, int] = OrderedDict()
        self._types: dict[str, Any] = {}
        # Of the texts that were seen last: most come again and again.
        self.parse_script = lru_cache(KEPT_TEXTS)(self._parse_script)
        self.named_tables = lru_cache(KEPT_TEXTS)(self._named_tables)
        self.language = self._bigquery_language()
        self.options = self._call(
            "GetAnalyzerOptions", service.AnalyzerOptionsRequest(), options_pb2.AnalyzerOptionsProto
        )
        self.options.language_options.CopyFrom(self.language)
        self.options.default_timezone = "UTC"
        self.options.ClearField("allowed_hints_and_options")
        self.use_catalog((), simple_catalog_pb2.SimpleCatalogProto)
        self._declare_environment()

    def type_of(self, name: str) -> Any:
        """The type that a BigQuery type name such as ARRAY<STRING> stands for."""
        if name not in self._types:
            query = self.analyze(f"SELECT CAST(NULL AS {name})").resolved_query_stmt_node
            self._types[name] = query.output_column_list[0].column.type
        return self._types[name]

    def use_catalog(self, key: Any, make: Callable[[], Any]) -> None:
        """Analyze against this catalog from now on; BigQuery's functions and types are added.

        The last ones are kept by their keys: to add the functions takes longer than to analyze.
        """
        if key in self._catalogs:
            self._catalogs.move_to_end(key)
            return
        catalog = make()
        catalog.name = "bigquery"
        catalog.builtin_function_options.language_options.CopyFrom(self.language)
        int64 = type_pb2.TypeProto(type_kind=type_pb2.TYPE_INT64)
        for alias in INT64_ALIASES:
            catalog.named_type.add(name=alias, type=int64)
        request = service.RegisterCatalogRequest(simple_catalog=catalog)
        answer = self._call("RegisterCatalog", request, service.RegisterResponse)
        self._catalogs[key] = answer.registered_id
        if len(self._catalogs) > KEPT_CATALOGS:
            _, oldest = self._catalogs.popitem(last=False)
            old = service.UnregisterRequest(registered_id=oldest)
            self._client.call_grpc_func("ZetaSqlLocalService_UnregisterCatalog", old)

    def analyze(self, sql: str, parameters: dict[str, str] | None = None, zone: str = "UTC") -> Any:
        """The resolved statement, in a project of this time zone; raises Refused with the
        analyzer's message."""
        catalog_id = next(reversed(self._catalogs.values()))
        request = service.AnalyzeRequest(sql_statement=sql, registered_catalog_id=catalog_id)
        request.options.CopyFrom(self.options)
        request.options.default_timezone = zone
        for name, kind in (parameters or {}).items():
            request.options.query_parameters.add(name=name, type=self.type_of(kind))
        return self._call("Analyze", request, service.AnalyzeResponse).resolved_statement

    def _parse_script(self, sql: str) -> Any:
        """The syntax tree of a script of one or more statements; raises Refused."""
        request = service.ParseRequest(sql_statement=sql, allow_script=True, options=self.language)
        return self._call("Parse", request, service.ParseResponse).parsed_script

    def _named_tables(self, sql: str) -> list[list[str]]:
        """The table paths a statement names, whether they exist or not."""
        request = service.ExtractTableNamesFromStatementRequest(
            sql_statement=sql, options=self.language, allow_script=True
        )
        answer = self._call(
            "ExtractTableNamesFromStatement",
            request,
            service.ExtractTableNamesFromStatementResponse,
        )
        return [list(name.table_name_segment) for name in answer.table_name]

    def _call(self, method: str, request: Any, answer: Any) -> Any:
        try:
            return self._client.call_grpc_func(f"ZetaSqlLocalService_{method}", request, answer)
        except ServerError as error:
            raise Refused(error.message) from error

    def _bigquery_language(self) -> Any:
        language = self._call(
            "GetLanguageOptions",
            service.LanguageOptionsRequest(maximum_features=True),
            options_pb2.LanguageOptionsProto,
        )
        names = {language_pb2.LanguageFeature.Name(f) for f in language.enabled_language_features}
        wanted = {name for name in names if not _absent(name.removeprefix("FEATURE_"))}
        wanted |= {f"FEATURE_{name}" for name in ONLY_IN_BIGQUERY}
        del language.enabled_language_features[:]
        language.enabled_language_features.extend(
            sorted(language_pb2.LanguageFeature.Value(name) for name in wanted)
        )
        # Empty means every kind of statement.
        del language.supported_statement_kinds[:]
        language.product_mode = language_pb2.PRODUCT_EXTERNAL
        return language

    def _declare_environment(self) -> None:
        # Types are read before the options are used, for type_of analyzes with them.
        variables = {name: self.type_of(kind) for name, kind in SYSTEM_VARIABLES.items()}
        pseudo = {name: self.type_of(kind) for name, kind in PSEUDO_COLUMNS.items()}
        options = {name: self.type_of(kind) for name, kind in OPTIONS.items()}
        for name, kind in variables.items():
            self.options.system_variables.add(name_path=name.split("."), type=kind)
        for name, kind in pseudo.items():
            self.options.ddl_pseudo_columns.add(name=name, type=kind)
        allowed = self.options.allowed_hints_and_options
        allowed.disallow_unknown_options = True
        for name, kind in options.items():
            allowed.option.add(name=name, type=kind)


def _absent(feature: str) -> bool:
    return any(
        feature.startswith(name) if name.endswith("_") else feature == name
        for name in NOT_IN_BIGQUERY
    )
