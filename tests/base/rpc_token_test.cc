#include "base/rpc_token.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

#include "base/durable_file.h"
#include "base/error.h"
#include "base/temporary_folder.h"

namespace cohort::base {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class RpcToken : public testing::Test {
 protected:
  RpcToken() { setenv("COHORT_CACHE", folder_.path().c_str(), 1); }
  ~RpcToken() override { unsetenv("COHORT_CACHE"); }

  static mode_t ModeOf(const fs::path& path) {
    struct stat status {};
    EXPECT_EQ(lstat(path.c_str(), &status), 0) << path;
    return status.st_mode & 07777;
  }
  std::string Refusal(const fs::path& path) {
    try {
      ReadToken(path);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage);
      return error.what();
    }
    return "none";
  }

  const TemporaryFolder folder_;
};

TEST_F(RpcToken, OfATcpPortLiesInAFileOfItsOwnerAlone) {
  fs::path file;
  {
    ServiceToken token("127.0.0.1:0", {});
    EXPECT_EQ(token.secret().size(), 64u);
    token.Write("127.0.0.1:7070");
    file = token.file();
    EXPECT_EQ(file, DefaultTokenFile("localhost:7070"));
    EXPECT_EQ(ModeOf(file), 0600);
    EXPECT_EQ(ModeOf(file.parent_path()), 0700);
    EXPECT_EQ(ReadToken(file), token.secret());
    EXPECT_NE(ServiceToken("127.0.0.1:0", {}).secret(), token.secret());
  }
  EXPECT_FALSE(fs::exists(file)) << "its service has ended";
}

TEST_F(RpcToken, OfAFileThatIsThereIsTakenAndKept) {
  const fs::path file = folder_.path() / "mine";
  std::string secret;
  {
    ServiceToken first("127.0.0.1:0", {.file = file});
    first.Write("127.0.0.1:7070");
    secret = first.secret();
    EXPECT_EQ(ModeOf(file), 0600);
  }
  EXPECT_EQ(ServiceToken("127.0.0.1:0", {.file = file, .none = false}).secret(), secret);
  EXPECT_TRUE(fs::exists(file));
}

TEST_F(RpcToken, IsNotWantedOnAUnixSocketNorWhereNoneIsAskedFor) {
  EXPECT_EQ(ServiceToken("unix:/tmp/x", {}).secret(), "");
  EXPECT_EQ(ServiceToken("127.0.0.1:0", {.file = "", .none = true}).secret(), "");
}

TEST_F(RpcToken, FilesThatGuardNothingAreRefused) {
  const fs::path file = folder_.path() / "mine";
  EXPECT_THAT(Refusal(file), HasSubstr("No such file"));
  std::ofstream(file) << std::string(64, 'a') << "\n";
  chmod(file.c_str(), 0644);
  EXPECT_THAT(Refusal(file), HasSubstr("other users can read it"));
  chmod(file.c_str(), 0600);
  EXPECT_EQ(Refusal(file), "none");
  fs::create_symlink(file, folder_.path() / "link");
  EXPECT_THAT(Refusal(folder_.path() / "link"), HasSubstr("symbolic links"));
  std::ofstream(file) << "secret\n";
  EXPECT_THAT(Refusal(file), HasSubstr("holds no token"));
  EXPECT_THAT(Refusal(folder_.path()), HasSubstr("not a regular file"));
}

}  // namespace
}  // namespace cohort::base
