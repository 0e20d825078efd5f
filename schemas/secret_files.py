"""Secrets from files: `CONVERGIO_<SETTING>_FILE` names a file that holds the value of a secret setting.

Docker, Kubernetes and systemd hand secrets over as files. Variables are seen by everything that a process starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

SUFFIX = "_FILE"


class SecretFileError(ValueError):
    """A secret's file cannot be used; the message names the variable and the file, and never the secret."""


def is_secret(field: FieldInfo) -> bool:
    """Whether a setting holds a secret, or a list of them."""
    return "SecretStr" in str(field.annotation)


def secret_file_variables(kind: type[BaseSettings]) -> dict[str, str]:
    """The variable that names a file, by secret setting."""
    prefix = kind.model_config.get("env_prefix", "")
    return {name: f"{prefix}{name.upper()}{SUFFIX}" for name, field in kind.model_fields.items() if is_secret(field)}


class SecretFiles(PydanticBaseSettingsSource):
    """Reads each secret setting whose variable with `_FILE` is in an environment, given by name.

    Raises `SecretFileError` if a file is missing, unreadable, empty or no text, or if the secret itself is given, too.
    """

    def __init__(self, settings_cls: type[BaseSettings], environment: Mapping[str, str | None]) -> None:
        super().__init__(settings_cls)
        self._environment = {name.upper(): value for name, value in environment.items()}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The secret, or `None`; the base class asks for this shape."""
        variable = secret_file_variables(self.settings_cls)[field_name]
        path = self._environment.get(variable)
        if path is None:
            return None, field_name, False
        if self._environment.get(variable.removesuffix(SUFFIX)) is not None:
            raise SecretFileError(f"{variable} and {variable.removesuffix(SUFFIX)} are both set; keep one of them")
        text = _read(variable, path)
        is_list = "tuple" in str(field.annotation)
        # A file of several secrets has one on each line.
        return ",".join(text.splitlines()) if is_list and not text.startswith("[") else text, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The secrets that come from files, by setting."""
        found = {
            name: self.get_field_value(self.settings_cls.model_fields[name], name)[0]
            for name in secret_file_variables(self.settings_cls)
        }
        return {name: value for name, value in found.items() if value is not None}


def _read(variable: str, path: str) -> str:
    try:
        text = Path(path).read_text().rstrip("\r\n")
    except OSError as error:
        raise SecretFileError(f"{variable}={path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SecretFileError(f"{variable}={path} is not text in UTF-8") from error
    if not text:
        raise SecretFileError(f"{variable}={path} is empty")
    return text
