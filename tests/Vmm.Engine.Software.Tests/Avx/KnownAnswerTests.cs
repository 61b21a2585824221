using System.Runtime.InteropServices;
using Iced.Intel;
using Vmm.Engine.Software.State;
using Vmm.Engine.Software.Tests.Harness;
using static Iced.Intel.AssemblerRegisters;

namespace Vmm.Engine.Software.Tests.Avx;

/// <summary>Results that standards give: they hold on hosts whose processor cannot be asked.</summary>
public sealed unsafe class KnownAnswerTests : IDisposable
{
    private readonly TestMachine _machine = new();

    public KnownAnswerTests()
    {
        _machine.State->Xcr0 = 7;
        _machine.State->Gpr.Rcx = TestMachine.DataAddress;
        _machine.Processor.StateLoaded();
    }

    public void Dispose() => _machine.Dispose();

    private Span<T> Lanes<T>(int vector) where T : unmanaged =>
        MemoryMarshal.Cast<byte, T>(new Span<byte>((byte*)_machine.State + CpuState.VectorOffset + (vector * CpuState.VectorStride), 32));

    private void Run(Action<Assembler> code) => Assert.Null(_machine.Run(code).Fault);

    [Fact]
    public void A_fused_operation_rounds_once()
    {
        double next = Math.BitIncrement(1.0);
        double square = next * next;
        Lanes<double>(1)[0] = next;
        Lanes<double>(2)[0] = next;
        Lanes<double>(0)[0] = square;
        Run(a => a.vfmsub231sd(xmm0, xmm1, xmm2));

        // (1 + e)² - (1 + 2e) is e², with e = 2^-52: two roundings would give zero.
        Assert.Equal(double.ScaleB(1, -104), Lanes<double>(0)[0]);
        Assert.Equal(0u, _machine.State->Mxcsr & 0x3F);
    }

    [Fact]
    public void Half_precision_rounds_to_nearest_keeps_denormals_and_overflows_to_infinity()
    {
        new[] { 65519f, 65520f, float.ScaleB(1, -24), -0.1f }.CopyTo(Lanes<float>(1));
        Run(a => a.vcvtps2ph(xmm2, xmm1, 0));
        Assert.Equal([0x7BFF, 0x7C00, 0x0001, 0xAE66], Lanes<ushort>(2)[..4].ToArray());
        Run(a => a.vcvtph2ps(xmm3, xmm2));
        Assert.Equal([65504f, float.PositiveInfinity, float.ScaleB(1, -24), (float)(Half)(-0.1f)], Lanes<float>(3)[..4].ToArray());
    }

    // FIPS 180-4's example, the message "abc": the working variables after rounds 0 to 3 of SHA-1, 0 and 1 of SHA-256.
    [Fact]
    public void Sha1_rounds_are_those_of_the_standard()
    {
        new uint[] { 0x1032_5476, 0x98BA_DCFE, 0xEFCD_AB89, 0x6745_2301 }.CopyTo(Lanes<uint>(1));
        new uint[] { 0, 0, 0, unchecked(0x6162_6380 + 0xC3D2_E1F0) }.CopyTo(Lanes<uint>(2));
        Run(a => a.sha1rnds4(xmm1, xmm2, 0));
        Assert.Equal([0xC045_BF0C, 0x6264_14DB, 0xA139_0F08, 0xCDD8_E11B], Lanes<uint>(1)[..4].ToArray());
    }

    [Fact]
    public void Sha256_rounds_are_those_of_the_standard()
    {
        new uint[] { 0x5BE0_CD19, 0x1F83_D9AB, 0xA54F_F53A, 0x3C6E_F372 }.CopyTo(Lanes<uint>(1)); // H, G, D, C
        new uint[] { 0x9B05_688C, 0x510E_527F, 0xBB67_AE85, 0x6A09_E667 }.CopyTo(Lanes<uint>(2)); // F, E, B, A
        new uint[] { 0x6162_6380u + 0x428A_2F98, 0x7137_4491, 0, 0 }.CopyTo(Lanes<uint>(0));
        Run(a => a.sha256rnds2(xmm1, xmm2));
        Assert.Equal([0xFA2A_4622, 0x78CE_7989, 0x5D6A_EBCD, 0x5A6A_D9AD], Lanes<uint>(1)[..4].ToArray());
    }

    [Fact]
    public void Fused_operations_take_the_first_NaN_of_factors_and_addend()
    {
        const ulong First = 0x7FF8_0000_0000_0001, Second = 0x7FF8_0000_0000_0002, Third = 0x7FF8_0000_0000_0003;
        Lanes<ulong>(0)[0] = First;
        Lanes<ulong>(1)[0] = Second;
        Lanes<ulong>(2)[0] = Third;
        Run(a => a.vfmadd231sd(xmm0, xmm1, xmm2)); // factors are the second and the third
        Assert.Equal(Second, Lanes<ulong>(0)[0]);
        Lanes<ulong>(0)[0] = First;
        Run(a => a.vfmadd132sd(xmm0, xmm1, xmm2));
        Assert.Equal(First, Lanes<ulong>(0)[0]);
    }
}
