#include "rollout/weight_sync/weight_image.h"

#include <ATen/ATen.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/temporary_folder.h"
#include "rollout/weight_sync/handshake.h"
#include "rollout/weight_sync/shared_image.h"
#include "rollout/weight_sync/weight_receiver.h"
#include "tests/rollout/tiny_policy.h"

namespace cohort::rollout {
namespace {

using ::testing::HasSubstr;

class WeightImage : public ::testing::Test {
 protected:
  WeightImage() {
    FillHandshake(config_, &manifest_);
    WriteImage(weights_, image_, &manifest_);
  }

  std::span<std::byte> Bytes() { return image_; }

  v1::WeightChunk Chunk(uint64_t offset, size_t size) {
    v1::WeightChunk chunk;
    chunk.set_offset(offset);
    chunk.set_data(image_.data() + offset, size);
    chunk.set_checksum(base::Checksum(chunk.data()));
    return chunk;
  }

  // A receiver that has the manifest and the first 1000 bytes.
  WeightReceiver Started() {
    WeightReceiver receiver(config_);
    v1::WeightChunk first = Chunk(0, 1000);
    *first.mutable_manifest() = manifest_;
    EXPECT_TRUE(receiver.Accept(first).ok());
    return receiver;
  }

  void ExpectRefused(const v1::WeightManifest& manifest, const std::string& complaint) {
    try {
      CheckManifest(manifest, config_);
      ADD_FAILURE() << "accepted; expected: " << complaint;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage);
      EXPECT_THAT(error.what(), HasSubstr(complaint));
    }
  }

  const policy::ModelConfig config_ = testing::TinyConfig();
  const policy::WeightMap weights_ = policy::InitialWeights(config_, 1);
  v1::WeightManifest manifest_ = PlanImage(weights_, 7, policy::Dtype::kFloat32);
  std::vector<std::byte> image_ = std::vector<std::byte>(manifest_.total_bytes());
};

void ExpectSameWeights(const policy::WeightMap& got, const policy::WeightMap& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (const auto& [name, tensor] : expected) {
    EXPECT_TRUE(at::equal(got.at(name), tensor)) << name;
  }
}

TEST_F(WeightImage, ComesBackAsTheSameTensors) {
  CheckManifest(manifest_, config_);
  EXPECT_EQ(FindFaults(manifest_, image_).damaged, "");
  ExpectSameWeights(ViewImage(manifest_, image_, nullptr), weights_);
}

TEST_F(WeightImage, KeepsBfloat16AsItIs) {
  policy::WeightMap half;
  for (const auto& [name, tensor] : weights_) half[name] = tensor.to(at::kBFloat16);
  v1::WeightManifest manifest = PlanImage(half, 1, policy::Dtype::kFloat32);
  std::vector<std::byte> image(manifest.total_bytes());
  WriteImage(half, image, &manifest);
  CheckManifest(manifest, config_);
  ExpectSameWeights(ViewImage(manifest, image, nullptr), half);
}

TEST_F(WeightImage, NamesTheTensorOfAFlippedBit) {
  const v1::TensorEntry& entry = manifest_.tensors(3);
  image_[entry.offset() + entry.num_bytes() / 2] ^= std::byte{1};
  EXPECT_EQ(FindFaults(manifest_, image_).damaged, entry.name());
}

TEST_F(WeightImage, RefusesAManifestThatLies) {
  v1::WeightManifest changed = manifest_;
  changed.mutable_tensors(2)->set_offset(manifest_.total_bytes());
  ExpectRefused(changed, "covers bytes");

  changed = manifest_;
  changed.mutable_tensors(2)->set_offset(~uint64_t{63});
  ExpectRefused(changed, "covers bytes");

  changed = manifest_;
  changed.mutable_tensors(2)->set_offset(changed.tensors(1).offset());
  ExpectRefused(changed, "overlap");

  changed = manifest_;
  changed.mutable_tensors(2)->set_num_bytes(changed.tensors(2).num_bytes() - 4);
  ExpectRefused(changed, "num_bytes");

  changed = manifest_;
  changed.mutable_tensors(2)->add_shape(int64_t{1} << 62);
  ExpectRefused(changed, "num_bytes");

  changed = manifest_;
  changed.mutable_tensors(2)->set_dtype("I8");
  ExpectRefused(changed, "dtype");

  changed = manifest_;
  changed.mutable_tensors()->RemoveLast();
  ExpectRefused(changed, "is missing");

  changed = manifest_;
  *changed.add_tensors() = changed.tensors(0);
  ExpectRefused(changed, "appears twice");

  changed = manifest_;
  changed.set_total_bytes(uint64_t{1} << 60);  // nothing of that size may be allocated
  ExpectRefused(changed, "total_bytes");
}

TEST_F(WeightImage, ArrivesInChunks) {
  WeightReceiver receiver = Started();
  EXPECT_TRUE(receiver.Accept(Chunk(1000, image_.size() - 1000)).ok());
  ASSERT_TRUE(receiver.Finish().ok());
  EXPECT_EQ(receiver.policy_version(), 7);
  ExpectSameWeights(receiver.Weights(), weights_);
}

TEST_F(WeightImage, ChunkThatWasAlteredIsDataLoss) {
  v1::WeightChunk chunk = Chunk(1000, 1000);
  (*chunk.mutable_data())[17] ^= 1;
  const grpc::Status status = Started().Accept(chunk);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_THAT(status.error_message(), HasSubstr("checksum"));
}

TEST_F(WeightImage, ChunkThatIsMissingIsDataLoss) {
  const grpc::Status status = Started().Accept(Chunk(2000, 1000));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_THAT(status.error_message(), HasSubstr("expected the one at byte 1000"));
}

TEST_F(WeightImage, MissingEndIsDataLoss) {
  const WeightReceiver receiver = Started();
  EXPECT_EQ(receiver.Finish().error_code(), grpc::StatusCode::DATA_LOSS);
}

TEST_F(WeightImage, ChunkBeyondTheImageIsDataLoss) {
  WeightReceiver receiver = Started();
  v1::WeightChunk chunk = Chunk(1000, image_.size() - 1000);
  chunk.mutable_data()->append(1, '\0');
  chunk.set_checksum(base::Checksum(chunk.data()));
  const grpc::Status status = receiver.Accept(chunk);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DATA_LOSS);
  EXPECT_THAT(status.error_message(), HasSubstr("beyond"));
}

TEST_F(WeightImage, TensorAlteredBeforeTheChunksWereCutIsDataLoss) {
  image_[5000] ^= std::byte{4};
  WeightReceiver receiver = Started();
  EXPECT_TRUE(receiver.Accept(Chunk(1000, image_.size() - 1000)).ok());
  EXPECT_EQ(receiver.Finish().error_code(), grpc::StatusCode::DATA_LOSS);
}

TEST_F(WeightImage, ChunksBeforeTheManifestAreInvalid) {
  WeightReceiver receiver(config_);
  EXPECT_EQ(receiver.Accept(Chunk(0, 10)).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(WeightImage, ArrivesThroughSharedMemory) {
  SharedImage shared(image_.size());
  if (shared.path().empty()) GTEST_SKIP() << "no memfd here";
  std::memcpy(shared.bytes().data(), image_.data(), image_.size());
  WeightReceiver receiver(config_);
  v1::WeightChunk chunk;
  *chunk.mutable_manifest() = manifest_;
  chunk.set_shared_memory_path(shared.path());
  ASSERT_TRUE(receiver.Accept(chunk).ok());
  ASSERT_TRUE(receiver.Finish().ok());
  ExpectSameWeights(receiver.Weights(), weights_);
}

TEST_F(WeightImage, NamesTheTensorThatIsNotFinite) {
  EXPECT_EQ(FindFaults(manifest_, image_).not_finite, "");
  v1::TensorEntry& entry = *manifest_.mutable_tensors(5);
  const float bad = INFINITY;
  std::memcpy(image_.data() + entry.offset() + entry.num_bytes() - sizeof(bad), &bad, sizeof(bad));
  EXPECT_EQ(FindFaults(manifest_, image_).damaged, entry.name()) << "as long as it is not meant";
  const auto* bytes = reinterpret_cast<const char*>(image_.data()) + entry.offset();
  entry.set_checksum(base::Checksum({bytes, entry.num_bytes()}));
  EXPECT_EQ(FindFaults(manifest_, image_).damaged, "");
  EXPECT_EQ(FindFaults(manifest_, image_).not_finite, entry.name());

  policy::WeightMap half;
  for (const auto& [name, tensor] : weights_) half[name] = tensor.to(at::kBFloat16);
  half.begin()->second.flatten()[0] = std::nanf("");
  v1::WeightManifest manifest = PlanImage(half, 1, policy::Dtype::kFloat32);
  std::vector<std::byte> image(manifest.total_bytes());
  WriteImage(half, image, &manifest);
  EXPECT_EQ(FindFaults(manifest, image).not_finite, half.begin()->first);
}

TEST(SharedImage, TakesOnlySealedMemoryOfTheRightSize) {
  const SharedImage shared(1000);
  if (shared.path().empty()) GTEST_SKIP() << "no memfd here";
  EXPECT_EQ(MappedImage(shared.path(), 1000).bytes().size(), 1000u);
  EXPECT_THROW(MappedImage(shared.path(), 1001), Error);
  EXPECT_THROW(MappedImage(shared.path() + "x", 1000), Error);
  EXPECT_THROW(MappedImage(shared.path() + "/../0", 1000), Error);
  EXPECT_THROW(MappedImage("/etc/passwd", std::filesystem::file_size("/etc/passwd")), Error);
  // A file that could be cut short while it is read, and one whose opening would wait.
  const base::TemporaryFolder folder;
  const std::string path = folder.Write("image", std::string(1000, 'x'));
  ASSERT_EQ(mkfifo((folder.path() / "fifo").c_str(), 0600), 0);
  for (const std::string& name : {path, (folder.path() / "fifo").string()}) {
    const int fd = open(name.c_str(), O_RDWR | O_CLOEXEC);
    const std::string by_descriptor =
        "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(fd);
    EXPECT_THROW(MappedImage(by_descriptor, 1000), Error) << name;
    EXPECT_THROW(MappedImage(name, 1000), Error);
    close(fd);
  }
}

TEST(SharedImage, CannotBeCutShortOrWrittenByAReader) {
  const SharedImage shared(10'000);
  if (shared.path().empty()) GTEST_SKIP() << "no memfd here";
  const MappedImage reader(shared.path(), 10'000);
  const int fd = open(shared.path().c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  EXPECT_NE(ftruncate(fd, 10), 0);
  EXPECT_NE(ftruncate(fd, 20'000), 0);
  EXPECT_LT(pwrite(fd, "x", 1, 0), 0);
  close(fd);
  EXPECT_NE(truncate(shared.path().c_str(), 10), 0);
  shared.bytes()[9'999] = std::byte{42};
  EXPECT_EQ(reader.bytes()[9'999], std::byte{42});
}

TEST(SharedImage, LeavesNothingInTheFileSystem) {
  const auto count = [] {
    return std::distance(std::filesystem::directory_iterator("/dev/shm"), {});
  };
  const auto before = count();
  const SharedImage shared(10'000);
  EXPECT_EQ(count(), before);
}

}  // namespace
}  // namespace cohort::rollout
