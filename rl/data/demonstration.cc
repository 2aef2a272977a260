#include "rl/data/demonstration.h"

#include <algorithm>

#include "base/error.h"
#include "policy/prompt_encoding.h"
#include "rl/data/encoded_problem.h"

namespace cohort::rl {
namespace {

using Ids = std::vector<int32_t>;
using Span = policy::ChatTemplate::GeneratedSpan;
using OrderedJson = nlohmann::ordered_json;

bool StartsWith(const Ids& ids, const Ids& prefix) {
  return prefix.size() <= ids.size() && std::equal(prefix.begin(), prefix.end(), ids.begin());
}

// A text's ids and which of them lie inside spans.
class MarkedIds {
 public:
  // `spans`: in order, apart from each other. The text is encoded as a whole where that has token
  // boundaries at the ends of the spans, else piece by piece: a model that continues a prompt
  // begins a new token there, too.
  MarkedIds(const policy::Tokenizer& tokenizer, const std::string& text,
            const std::vector<Span>& spans) {
    std::vector<size_t> cuts = {0};
    for (const Span& span : spans) cuts.insert(cuts.end(), {span.begin, span.end});
    cuts.push_back(text.size());
    Ids pieces;
    std::vector<size_t> tokens = {0};  // at the cuts
    for (size_t i = 0; i + 1 < cuts.size(); ++i) {
      const Ids piece = tokenizer.Encode(text.substr(cuts[i], cuts[i + 1] - cuts[i]));
      pieces.insert(pieces.end(), piece.begin(), piece.end());
      tokens.push_back(pieces.size());
    }
    ids = tokenizer.Encode(text);
    if (ids != pieces && !FindCuts(tokenizer, text, cuts, &tokens)) ids = pieces;
    for (size_t i = 1; i + 2 < tokens.size(); i += 2) {
      learnt.push_back({tokens[i], tokens[i + 1]});
    }
  }

  Ids ids;
  std::vector<Span> learnt;  // of ids

 private:
  bool FindCuts(const policy::Tokenizer& tokenizer, const std::string& text,
                const std::vector<size_t>& cuts, std::vector<size_t>* tokens) const {
    std::vector<size_t> found;
    for (const size_t cut : cuts) {
      const Ids before = tokenizer.Encode(text.substr(0, cut));
      if (!StartsWith(ids, before)) return false;
      found.push_back(before.size());
    }
    *tokens = std::move(found);
    return true;
  }
};

class ChatEncoder {
 public:
  ChatEncoder(const policy::Model& model, const Problem& problem)
      : model_(model),
        stops_(StopIds(model)),
        turns_(problem.messages),
        template_(TemplateFor(model, ToTemplateInputs(problem))),
        variables_(TemplateVariables(model, ToTemplateInputs(problem))) {
    OrderedJson last =
        problem.last_turn.is_object() ? problem.last_turn : OrderedJson{{"role", "assistant"}};
    if (!last.contains("tool_calls") || !problem.completion.empty()) {
      last["content"] = problem.completion;
    }
    turns_.push_back(std::move(last));
  }

  std::vector<Demonstration> Encode() const {
    if (template_.marks_generation()) return {EncodeMarked()};
    const std::string whole = Render(turns_.size(), false);
    std::vector<Turn> turns;
    bool one_text = true;
    size_t end = 0;
    for (size_t i = 0; i < turns_.size(); ++i) {
      if (turns_[i]["role"] != "assistant") continue;
      turns.push_back({i, Render(i, true), Render(i + 1, false)});
      const Turn& turn = turns.back();
      one_text = one_text && turn.after.starts_with(turn.before) && turn.before.size() >= end &&
                 whole.starts_with(turn.after);
      end = turn.after.size();
    }
    if (!one_text) {
      std::vector<Demonstration> sequences;
      for (const Turn& turn : turns) sequences.push_back(EncodeAlone(turn));
      return sequences;
    }
    std::vector<Span> spans;
    for (const Turn& turn : turns) spans.push_back({turn.before.size(), turn.after.size()});
    return {Learn(whole, spans)};
  }

 private:
  struct Turn {
    size_t index;
    std::string before, after;  // rendered up to it with a generation prompt, and with it
  };

  std::string Render(size_t count, bool add_generation_prompt) const {
    OrderedJson first = OrderedJson::array();
    for (size_t i = 0; i < count; ++i) first.push_back(turns_[i]);
    return template_.Render(first, add_generation_prompt, variables_);
  }

  Demonstration EncodeMarked() const {
    const auto marked = template_.RenderMarked(turns_, false, variables_);
    if (marked.generated.empty()) {
      throw Error(ErrorCode::kUsage,
                  "the chat template has {% generation %} blocks, but they mark nothing of a chat "
                  "whose last turn is the assistant's");
    }
    const MarkedIds marks(*model_.tokenizer, marked.text, marked.generated);
    return Take(marks.ids, marks.learnt);
  }

  Demonstration EncodeAlone(const Turn& turn) const {
    if (turn.after.starts_with(turn.before)) {
      return Learn(turn.after, {{turn.before.size(), turn.after.size()}});
    }
    const auto [differs, unused] =
        std::mismatch(turn.before.begin(), turn.before.end(), turn.after.begin(), turn.after.end());
    const std::string prompted(differs, turn.before.end());  // what the prompt says for the model
    const OrderedJson& said = turns_[turn.index];
    std::string content = said.contains("content") && said["content"].is_string()
                              ? said["content"].get<std::string>()
                              : "";
    if (content.starts_with(prompted)) content.erase(0, prompted.size());
    return {model_.tokenizer->Encode(turn.before), EncodeCompletion(model_, content)};
  }

  Demonstration Learn(const std::string& text, const std::vector<Span>& spans) const {
    MarkedIds marks(*model_.tokenizer, text, spans);
    for (Span& span : marks.learnt) span.end = EndOfTurn(marks.ids, span);
    const Span& last = marks.learnt.back();
    if (!stops_.empty() && (last.end == last.begin || !IsStop(marks.ids[last.end - 1]))) {
      marks.ids.resize(last.end);
      marks.ids.push_back(stops_.front());
      ++marks.learnt.back().end;
    }
    return Take(marks.ids, marks.learnt);
  }

  // After the last stop token of a turn, else after its last special token, else its whole end.
  size_t EndOfTurn(const Ids& ids, const Span& span) const {
    size_t after_special = span.end;
    for (size_t i = span.end; i > span.begin; --i) {
      if (IsStop(ids[i - 1])) return i;
      const std::span<const int32_t> one(&ids[i - 1], 1);
      const bool special = model_.tokenizer->Decode(one, /*skip_special=*/true, true).empty();
      if (special && after_special == span.end) after_special = i;
    }
    return after_special;
  }

  bool IsStop(int32_t id) const {
    return std::find(stops_.begin(), stops_.end(), id) != stops_.end();
  }

  static Demonstration Take(const Ids& ids, const std::vector<Span>& learnt) {
    Demonstration demonstration;
    // The first token of all has nothing to be predicted from.
    const size_t first = std::max<size_t>(learnt.front().begin, 1), end = learnt.back().end;
    COHORT_CHECK(first <= end && end <= ids.size(), "a chat's assistant turns lie in its text");
    const auto at = [&](size_t i) { return ids.begin() + static_cast<ptrdiff_t>(i); };
    demonstration.prompt_ids.assign(ids.begin(), at(first));
    demonstration.completion_ids.assign(at(first), at(end));
    if (learnt.size() == 1) return demonstration;
    demonstration.loss_mask.assign(end - first, 0);
    for (const Span& span : learnt) {
      for (size_t i = std::max(span.begin, first); i < span.end; ++i) {
        demonstration.loss_mask[i - first] = 1;
      }
    }
    return demonstration;
  }

  const policy::Model& model_;
  const Ids stops_;
  OrderedJson turns_;
  const policy::ChatTemplate& template_;
  OrderedJson variables_;
};

}  // namespace

std::vector<Demonstration> EncodeDemonstration(const policy::Model& model, const Problem& problem) {
  if (!problem.messages.is_null()) return ChatEncoder(model, problem).Encode();
  return {{EncodeText(model, problem.prompt).ids, EncodeCompletion(model, problem.completion)}};
}

}  // namespace cohort::rl
