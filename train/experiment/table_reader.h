// A TOML table, read strictly: each key is asked for by name and type, and what nobody asked for is
// an error with its place and the nearest name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <toml++/toml.h>

namespace ktrain::experiment {

class TableReader {
 public:
  TableReader(const toml::table& table, std::string name, const std::string& file)
      : table_(&table), name_(std::move(name)), file_(&file) {}

  // Each throws Fault KT-CFG-002 (missing, or of another type) or KT-CFG-003 (out of range).
  [[nodiscard]] std::string text(const char* key);
  [[nodiscard]] std::string text_or(const char* key, const std::string& otherwise);
  [[nodiscard]] std::vector<std::string> texts(const char* key);
  [[nodiscard]] std::vector<std::string> texts_or(const char* key,
                                                  const std::vector<std::string>& otherwise);
  [[nodiscard]] std::vector<std::int64_t> integers(const char* key);
  // `value` stays as it is when the key is not there.
  void number(const char* key, double& value, double least, double most);
  void integer(const char* key, std::int64_t& value, double least, double most);
  [[nodiscard]] TableReader table(const char* key);
  [[nodiscard]] std::vector<TableReader> tables(const char* key);  // [[key]]; none when missing

  // Throws Fault KT-CFG-001 at the first key that has not been asked for.
  void finish() const;
  [[nodiscard]] std::string place() const;

 private:
  const toml::node* find(const char* key);
  const toml::node& get(const char* key, const char* wanted);
  [[noreturn]] void wrong_type(const char* key, const toml::node& node, const char* wanted) const;

  const toml::table* table_;
  std::string name_;
  const std::string* file_;
  std::vector<std::string> asked_;
};

// A parsed text; readers are valid as long as it lives. Throws Fault KT-CFG-005, -007.
class TableDocument {
 public:
  TableDocument(const std::string& text, std::string file);
  [[nodiscard]] TableReader root() const { return {table_, "", file_}; }

 private:
  std::string file_;
  toml::table table_;
};

}  // namespace ktrain::experiment
